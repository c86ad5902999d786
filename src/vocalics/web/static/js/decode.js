/** A file to its samples at its own rate, by this browser alone. */

/** @import { Sound } from "./wave.js" */
import { Problem } from "./types.js";
import { readWave } from "./wave.js";

const LOWEST_RATE = 4000;
const HIGHEST_RATE = 384000;

/** @param {File} file @returns {Promise<Sound>} */
export async function decode(file) {
  if (!file.size) throw new Problem("Not usable sound", `${file.name} is empty (0 bytes); expected an audio file.`);
  const bytes = await file.arrayBuffer();
  const sound = readWave(bytes) ?? (await decoded(bytes, file.name));
  if (sound.missing) {
    throw new Problem(
      "Not usable sound",
      `${file.name} is truncated (${sound.missing} bytes of its sound are missing); expected a complete file.`,
    );
  }
  if (!sound.channels[0]?.length) throw new Problem("Not usable sound", `${file.name} holds no samples.`);
  if (sound.rate < LOWEST_RATE || sound.rate > HIGHEST_RATE) {
    throw new Problem("Not usable sound", `${file.name}: a sample rate of ${sound.rate} Hz is out of range.`);
  }
  for (const channel of sound.channels) {
    if (!channel.every(Number.isFinite)) {
      throw new Problem("Not usable sound", `${file.name} holds values that are no finite numbers; export it again.`);
    }
  }
  return sound;
}

/** @param {ArrayBuffer} bytes @param {string} name @returns {Promise<Sound>} */
async function decoded(bytes, name) {
  const rate = Math.min(96000, Math.max(8000, rateOf(new Uint8Array(bytes)) ?? 48000));
  try {
    // The browser resamples to its context's rate: given the file's own, it leaves the samples as they are.
    const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
    return { rate: buffer.sampleRate, channels };
  } catch {
    throw new Problem(
      "Not usable sound",
      `${name} cannot be decoded by this browser; expected wav, mp3, flac, ogg, opus or m4a that is complete.`,
    );
  }
}

/** @param {Uint8Array} bytes @returns {number | null} the sample rate that a file's head tells */
export function rateOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = find(bytes, "ID3", 1) === 0 ? 10 + tagLength(bytes) : 0;
  if (find(bytes, "fLaC", start + 1) === start && start + 21 < bytes.length) {
    return view.getUint32(start + 18) >>> 12 || null;
  }
  if (find(bytes, "OggS", 1) === 0) {
    const vorbis = find(bytes, "\x01vorbis", 300);
    if (vorbis >= 0) return view.getUint32(vorbis + 12, true);
    return find(bytes, "OpusHead", 300) >= 0 ? 48000 : null;
  }
  for (let at = start; at + 4 < Math.min(bytes.length, start + 4096); at++) {
    const head = view.getUint32(at);
    const [version, layer, rate] = [(head >>> 19) & 3, (head >>> 17) & 3, (head >>> 10) & 3];
    if (head >>> 21 === 0x7ff && version !== 1 && layer === 1 && rate !== 3) {
      return [44100, 48000, 32000][rate] / (version === 3 ? 1 : version === 2 ? 2 : 4);
    }
  }
  return null;
}

/** @param {Uint8Array} bytes @returns {number} the length of an ID3 tag behind its head */
function tagLength(bytes) {
  return (bytes[6] << 21) | (bytes[7] << 14) | (bytes[8] << 7) | bytes[9];
}

/** @param {Uint8Array} bytes @param {string} text @param {number} within @returns {number} where; -1 where nowhere */
function find(bytes, text, within) {
  const codes = [...text].map((letter) => letter.charCodeAt(0));
  for (let at = Math.max(0, within - 300); at < Math.min(within, bytes.length - codes.length); at++) {
    if (codes.every((code, i) => bytes[at + i] === code)) return at;
  }
  return -1;
}

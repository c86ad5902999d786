/** WAVE files: read to their samples at their own rate, and written. */

/**
 * @typedef {Object} Sound
 * @property {number} rate in Hz
 * @property {Float32Array[]} channels
 * @property {number} [missing] bytes that its head promises and it lacks
 */

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

/**
 * @param {ArrayBuffer} bytes
 * @returns {Sound | null} null where it is another format, or a coding that is left to the browser
 */
export function readWave(bytes) {
  const view = new DataView(bytes);
  if (bytes.byteLength < 12 || word(view, 0) !== "RIFF" || word(view, 8) !== "WAVE") return null;
  let format = 0,
    count = 0,
    rate = 0,
    bits = 0;
  for (let at = 12; at + 8 <= bytes.byteLength;) {
    const name = word(view, at);
    const length = view.getUint32(at + 4, true);
    const body = at + 8;
    if (name === "fmt " && body + 16 <= bytes.byteLength) {
      format = view.getUint16(body, true);
      count = view.getUint16(body + 2, true);
      rate = view.getUint32(body + 4, true);
      bits = view.getUint16(body + 14, true);
      if (format === EXTENSIBLE && length >= 26) format = view.getUint16(body + 24, true);
    } else if (name === "data") {
      const reader = readerOf(format, bits, view);
      if (!reader || !count || !rate) return null;
      const end = Math.min(body + length, bytes.byteLength);
      // A length of 0, or one near the largest, is a writer's that did not know it yet, and promises nothing.
      const promised = length > 0 && length < 0xffff0000 && !(length >= 0x7fff0000 && length <= 0x7fffffff);
      const missing = promised ? body + length - end : 0;
      return { rate, channels: samplesOf(reader, body, end, count, bits / 8), missing };
    }
    at = body + length + (length % 2);
  }
  return null;
}

/**
 * @param {number} format @param {number} bits @param {DataView} view
 * @returns {((at: number) => number) | null} what reads a sample at a position
 */
function readerOf(format, bits, view) {
  if (format === FLOAT && bits === 32) return (at) => view.getFloat32(at, true);
  if (format === FLOAT && bits === 64) return (at) => view.getFloat64(at, true);
  if (format !== PCM) return null;
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => view.getInt16(at, true) / 32768;
  if (bits === 24) return (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65536) / 8388608;
  if (bits === 32) return (at) => view.getInt32(at, true) / 2147483648;
  return null;
}

/**
 * @param {(at: number) => number} reader @param {number} from @param {number} end @param {number} count
 * @param {number} size bytes of a sample
 * @returns {Float32Array[]}
 */
function samplesOf(reader, from, end, count, size) {
  const length = Math.floor((end - from) / (size * count));
  return Array.from({ length: count }, (_, channel) => {
    const samples = new Float32Array(length);
    for (let i = 0; i < length; i++) samples[i] = reader(from + (i * count + channel) * size);
    return samples;
  });
}

/** @param {DataView} view @param {number} at @returns {string} */
function word(view, at) {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}

/**
 * @param {Float32Array[]} pieces of one channel
 * @param {number} rate
 * @returns {Blob} a WAVE file of 16 bits
 */
export function writeWave(pieces, rate) {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (/** @type {number} */ at, /** @type {string} */ letters) =>
    [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const piece of pieces) {
    for (const value of piece) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

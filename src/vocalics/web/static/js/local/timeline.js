/** A recording by segments and by windows, each channel by itself: `vocalics.timeline`, as far as a browser can. */

/** @import { Channel, Prediction, Summary, Timeline } from "../types.js" */
/** @import { Recognizer } from "./recognizer.js" */
import { envelopeOf } from "../envelope.js";
import { same } from "./recognizer.js";
import { resample } from "./resample.js";
import { stretchesOf } from "./stretches.js";

const WINDOWS = 0.6; // of a channel's work
const MOST_CHANNELS = 8; // of more, the average alone is judged

/**
 * @param {Recognizer} recognizer
 * @param {Float32Array[]} channels
 * @param {number} rate in Hz
 * @param {string} path
 * @param {number | null} window
 * @param {number | null} hop
 * @param {(share: number) => void} progress called with the share that is done
 * @returns {Promise<Timeline>}
 */
export async function timelineOf(recognizer, channels, rate, path, window, hop, progress) {
  const { name, emotions } = recognizer.card;
  /** @type {Channel[]} */
  const told = [];
  const own = named(channels);
  for (const [i, [label, samples]] of own.entries()) {
    const heard = resample(samples, rate, recognizer.rate);
    const part = (/** @type {number} */ share) => progress((i + share) / own.length);
    told.push({
      ...(await channelOf(recognizer, heard, path, window, hop, part)),
      name: label,
      envelope: envelopeOf(samples),
    });
  }
  return { path, duration: channels[0].length / rate, model: name, emotions, channels: told };
}

/** @param {Float32Array[]} channels @returns {[string, Float32Array][]} those that differ, by name */
function named(channels) {
  if (channels.length > MOST_CHANNELS) return [["mono", averaged(channels)]];
  const own = channels.map((_, i) => i).filter((i) => !channels.slice(0, i).some((other) => same(other, channels[i])));
  if (own.length === 1) return [["mono", channels[0]]];
  return own.map((i) => [channels.length === 2 ? ["left", "right"][i] : `channel ${i + 1}`, channels[i]]);
}

/** @param {Float32Array[]} channels @returns {Float32Array} */
export function averaged(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

/**
 * @param {Recognizer} recognizer @param {Float32Array} samples at its rate @param {string} path
 * @param {number | null} window @param {number | null} hop @param {(share: number) => void} progress
 */
async function channelOf(recognizer, samples, path, window, hop, progress) {
  const { rate } = recognizer;
  const cutter = recognizer.windows(window, hop);
  /** @type {Prediction[]} */
  const windows = [];
  for (const cut of cutter.all(samples)) {
    windows.push(await recognizer.judgeWindow(cut.start, cut.samples, path));
    progress((WINDOWS * (cut.start + cut.samples.length)) / samples.length);
  }
  /** @type {Prediction[]} */
  const segments = [];
  for (const { start, end } of stretchesOf(samples, rate)) {
    const said = await recognizer.predict(samples.slice(Math.round(start * rate), Math.round(end * rate)), path);
    segments.push({ ...said, start, end });
    progress(WINDOWS + ((1 - WINDOWS) * end * rate) / samples.length);
  }
  return { segments, windows, summary: summaryOf(segments) };
}

/** @param {Prediction[]} segments @returns {Summary} */
export function summaryOf(segments) {
  /** @type {Record<string, number>} */
  const seconds = {};
  /** @type {Record<string, Prediction>} */
  const strongest = {};
  for (const one of segments) {
    if (one.confidence > 0) seconds[one.label] = (seconds[one.label] ?? 0) + one.end - one.start;
    if (one.emotion && one.confidence > (strongest[one.emotion]?.confidence ?? 0)) strongest[one.emotion] = one;
  }
  const total = Object.values(seconds).reduce((a, b) => a + b, 0);
  const ranked = Object.entries(seconds).sort((a, b) => b[1] - a[1]);
  const spoken = segments.filter((one) => one.emotion !== null);
  return {
    speech_seconds: total,
    shares: Object.fromEntries(ranked.map(([label, part]) => [label, part / total])),
    changes: spoken.filter((one, i) => i > 0 && one.emotion !== spoken[i - 1].emotion).length,
    strongest: Object.values(strongest).sort((a, b) => b.confidence - a.confidence),
  };
}

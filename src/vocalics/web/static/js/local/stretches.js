/**
 * Where somebody speaks, by voiced sound alone. A server asks a neural detector for it; its stretches begin and end
 * elsewhere by a few tenths of a second.
 */

import { FRAME_SECONDS, voicedFrames } from "./voicing.js";

const BLOCK_SECONDS = 10;
const PAUSE_SECONDS = 0.5; // shorter ones are within a stretch
const EDGE_SECONDS = 0.15; // what is said before and after the voiced sound
const LEAST_SECONDS = 0.1; // of voiced sound
const LONGEST_SECONDS = 10; // a longer stretch is divided into equal parts

/** @typedef {{start: number, end: number}} Stretch in seconds */

/** @param {Float32Array} samples @param {number} rate @returns {Stretch[]} in order, without overlap */
export function stretchesOf(samples, rate) {
  const duration = samples.length / rate;
  /** @type {(Stretch & {voiced: number})[]} */
  const found = [];
  for (let from = 0; from < duration; from += BLOCK_SECONDS) {
    voicedFrames(samples.subarray(from * rate, (from + BLOCK_SECONDS) * rate), rate).forEach((heard, i) => {
      if (!heard) return;
      const start = from + i * FRAME_SECONDS;
      const last = found.at(-1);
      if (last && start - last.end < PAUSE_SECONDS) {
        last.end = start + FRAME_SECONDS;
        last.voiced += FRAME_SECONDS;
      } else {
        found.push({ start, end: start + FRAME_SECONDS, voiced: FRAME_SECONDS });
      }
    });
  }
  return found
    .filter(({ voiced }) => voiced >= LEAST_SECONDS - 1e-9)
    .map(({ start, end }) => ({
      start: Math.max(0, start - EDGE_SECONDS),
      end: Math.min(duration, end + EDGE_SECONDS),
    }))
    .flatMap(divided);
}

/** @param {Stretch} stretch @returns {Stretch[]} */
function divided({ start, end }) {
  const count = Math.ceil((end - start) / LONGEST_SECONDS);
  const length = (end - start) / count;
  return Array.from({ length: count }, (_, i) => ({ start: start + i * length, end: start + (i + 1) * length }));
}

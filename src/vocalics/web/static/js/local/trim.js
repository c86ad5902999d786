/** Cutting quiet ends off: `vocalics.preprocess.trim_silence`. */

import { round } from "./rounding.js";

/**
 * @param {Float32Array} samples
 * @param {number} rate in Hz
 * @param {number} belowDb a 20 ms frame this much below the loudest one is quiet
 * @param {number} [margin] seconds kept on both sides
 * @returns {Float32Array}
 */
export function trimSilence(samples, rate, belowDb, margin = 0.1) {
  const length = Math.max(1, round(0.02 * rate));
  const count = Math.floor(samples.length / length);
  const powers = Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let k = i * length; k < (i + 1) * length; k++) sum += samples[k] * samples[k];
    return sum / length;
  });
  const highest = powers.reduce((a, b) => Math.max(a, b), 0);
  if (highest <= 0) return samples;
  const least = highest * 10 ** (-belowDb / 10);
  const first = powers.findIndex((one) => one > least) * length;
  const last = (powers.findLastIndex((one) => one > least) + 1) * length;
  const kept = round(margin * rate);
  return samples.slice(Math.max(0, first - kept), last + kept);
}

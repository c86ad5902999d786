/**
 * A light gate on voicing, before any model is asked: `vocalics.segment.voicing`, line by line.
 *
 * Speech is told by its voiced sounds: 40 ms frames that repeat themselves at a pitch of 60 to 500 Hz.
 */

import { fft } from "./fft.js";
import { resample } from "./resample.js";

const SILENT_PEAK = 2e-5;
const SHORTEST_SECONDS = 0.25;
const LEAST_VOICED_SECONDS = 0.1;
const RATE = 4000;
const FRAME = 160;
const HOP = 80;
export const FRAME_SECONDS = HOP / RATE;
const LOWEST_LAG = Math.floor(RATE / 500);
const HIGHEST_LAG = Math.floor(RATE / 60);
const PERIODIC = 0.55;
const RUN = 3;
const STEADY_DB = 0.5;
const RANGE = 1e-4;

/**
 * How much voiced sound there is, in seconds; 0 where there is no speech.
 * @param {Float32Array} samples
 * @param {number} rate in Hz
 * @returns {number}
 */
export function speechSeconds(samples, rate) {
  const count = voicedFrames(samples, rate).filter(Boolean).length;
  const seconds = count * FRAME_SECONDS;
  return seconds >= LEAST_VOICED_SECONDS ? seconds : 0;
}

/**
 * Which frames, one every 20 ms, are voiced; none where nobody speaks.
 * @param {Float32Array} samples
 * @param {number} rate in Hz
 * @returns {boolean[]}
 */
export function voicedFrames(samples, rate) {
  let peak = 0;
  for (const value of samples) peak = Math.max(peak, Math.abs(value));
  if (samples.length / rate < SHORTEST_SECONDS || peak < SILENT_PEAK) return [];
  const level = resample(
    samples.map((value) => value / peak),
    rate,
    RATE,
  );
  const raw = frames(level);
  const clean = frames(withoutRumble(level));
  // A filter takes power away; where it adds some, it rings ahead of a sudden sound.
  clean.forEach((frame, i) => {
    if (power(frame) > 1.5 * power(raw[i])) frame.fill(0);
  });
  const heard = voiced(clean);
  const levels = clean.filter((_, i) => heard[i]).map((frame) => 10 * Math.log10(power(frame)));
  return levels.length && deviation(levels) >= STEADY_DB ? heard : heard.map(() => false);
}

/** @param {Float32Array} frame @returns {number} */
function power(frame) {
  let sum = 0;
  for (const value of frame) sum += value * value;
  return sum;
}

/** @param {number[]} values @returns {number} the standard deviation */
function deviation(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
}

/**
 * Take away what is below a voice: a ramp from 40 to 100 Hz.
 * @param {Float32Array} samples at RATE
 * @returns {Float32Array}
 */
function withoutRumble(samples) {
  let n = 1;
  while (n < samples.length) n *= 2;
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  re.set(samples);
  fft(re, im);
  for (let k = 0; k <= n / 2; k++) {
    const gain = Math.min(1, Math.max(0, ((k * RATE) / n - 40) / 60));
    for (const i of new Set([k, (n - k) % n])) {
      re[i] *= gain;
      im[i] *= gain;
    }
  }
  fft(re, im, true);
  return Float32Array.from(re.subarray(0, samples.length));
}

/** @param {Float32Array} samples @returns {Float32Array[]} frames without their means */
function frames(samples) {
  const found = [];
  for (let start = 0; start + FRAME <= samples.length; start += HOP) {
    const frame = samples.slice(start, start + FRAME);
    const mean = frame.reduce((a, b) => a + b, 0) / FRAME;
    found.push(frame.map((value) => value - mean));
  }
  return found;
}

/** @param {Float32Array[]} all @returns {boolean[]} */
function voiced(all) {
  const said = all.map((frame) => periodicity(frame) > PERIODIC);
  const powers = all.map(power);
  const strongest = Math.max(0, ...powers.filter((_, i) => said[i]));
  const kept = said.map((one, i) => one && powers[i] > RANGE * strongest);
  // Keep runs only.
  const result = kept.map(() => false);
  for (let i = 0; i + RUN <= kept.length; i++) {
    if (kept.slice(i, i + RUN).every(Boolean)) result.fill(true, i, i + RUN);
  }
  return result;
}

/** @param {Float32Array} frame @returns {number} the highest peak of the normalised autocorrelation; 0 where none is */
function periodicity(frame) {
  const energy = new Float64Array(FRAME);
  let total = 0;
  for (let i = 0; i < FRAME; i++) energy[i] = total += frame[i] * frame[i];
  if (total === 0) return 0;
  const r = new Float64Array(HIGHEST_LAG + 2);
  for (let lag = LOWEST_LAG - 1; lag <= HIGHEST_LAG + 1; lag++) {
    let product = 0;
    for (let i = lag; i < FRAME; i++) product += frame[i] * frame[i - lag];
    const head = energy[FRAME - 1 - lag];
    const tail = total - energy[lag - 1];
    r[lag] = product / Math.sqrt(Math.max(head * tail, 1e-30 + 1e-6 * total * total));
  }
  let best = 0;
  for (let lag = LOWEST_LAG; lag <= HIGHEST_LAG; lag++) {
    if (r[lag] > r[lag - 1] && r[lag] >= r[lag + 1]) best = Math.max(best, r[lag]);
  }
  return best;
}

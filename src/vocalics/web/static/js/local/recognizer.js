/** From sound to emotion: `vocalics.recognizer.Recognizer`, over any function that runs the graph. */

/** @import { Card, Prediction } from "../types.js" */
import { trimSilence } from "./trim.js";
import { speechSeconds } from "./voicing.js";
import { Windows } from "./windows.js";

const WHOLE_SECONDS = 10;

/**
 * @typedef {{probabilities: number[], strangeness: number | null, left?: Float32Array | null}} Judgement
 * @typedef {{seconds: number, judgement: Judgement | null}} Heard
 * @typedef {(samples: Float32Array, voice: Float32Array | null) => Promise<Judgement>} Run
 */

export class Recognizer {
  /** @param {Card} card @param {Run} run */
  constructor(card, run) {
    this.card = card;
    this.run = run;
    /** @type {{samples: Float32Array, heard: Heard}} */
    this.last = { samples: new Float32Array(0), heard: { seconds: 0, judgement: null } };
    /** @type {number} */
    this.rate = card.sample_rate;
  }

  /** @returns {Recognizer} the same model, which remembers by itself what it heard last */
  apart() {
    return new Recognizer(this.card, this.run);
  }

  /**
   * How much speech there is, and what the model says of it. The last answer is remembered: a short recording is its
   * own only window.
   * @param {Float32Array} samples at the card's rate
   * @returns {Promise<Heard>}
   */
  async heard(samples) {
    if (same(this.last.samples, samples)) return this.last.heard;
    const heard = await this.hearing(samples, null);
    this.last = { samples, heard };
    return heard;
  }

  /**
   * The same with a voice known, and nothing remembered.
   * @param {Float32Array} samples at the card's rate
   * @param {Float32Array | null} voice what is known of it
   * @returns {Promise<Heard>}
   */
  async hearing(samples, voice) {
    const { trim_db: below } = this.card;
    const seconds = speechSeconds(samples, this.rate);
    const given = seconds && below !== null ? trimSilence(samples, this.rate, below) : samples;
    return { seconds, judgement: seconds ? await this.run(given, voice) : null };
  }

  /**
   * Judge a recording as a whole.
   * @param {Float32Array} samples at the card's rate
   * @param {string} path
   * @returns {Promise<Prediction>}
   */
  async predict(samples, path) {
    const length = this.card.window_seconds;
    const windows = new Windows(length, length, this.rate, WHOLE_SECONDS);
    /** @type {number[]} */
    const mean = this.card.emotions.map(() => 0);
    let weight = 0;
    let strange = 0;
    /** @type {number | null} */
    let told = null;
    for (const cut of windows.all(samples)) {
      const { seconds, judgement } = await this.heard(cut.samples);
      if (!judgement) continue;
      const { probabilities, strangeness } = judgement;
      weight += seconds;
      probabilities.forEach((value, i) => (mean[i] += seconds * value));
      strange += seconds * (strangeness ?? 0);
      told = strangeness;
    }
    if (!weight) return this.prediction(path, 0, samples.length, null);
    const values = mean.map((value) => value / weight);
    return this.prediction(path, 0, samples.length, values, told === null ? null : strange / weight);
  }

  /**
   * @param {number | null} window in seconds; the card's where null
   * @param {number | null} hop in seconds; the card's where null
   * @returns {Windows}
   */
  windows(window, hop) {
    const length = window ?? this.card.window_seconds;
    const step = hop ?? Math.min(this.card.hop_seconds, length);
    const windows = new Windows(length, step, this.rate);
    const longest = this.card.front_end?.longest_seconds ?? Infinity;
    if (windows.longest > longest) {
      const last = windows.longest < length + 0.001 ? "" : ` every ${step} s, the last up to ${windows.longest.toFixed(1)} s long,`;
      throw new Error(`A window of ${length} s${last} is more than ${this.card.name} hears, ${longest} s.`);
    }
    return windows;
  }

  /**
   * Judge one window.
   * @param {number} start position of its first sample
   * @param {Float32Array} samples
   * @param {string} path
   * @returns {Promise<Prediction>}
   */
  async judgeWindow(start, samples, path) {
    const end = start + samples.length;
    const { judgement } = await this.heard(samples);
    return this.prediction(path, start, end, judgement?.probabilities ?? null, judgement?.strangeness);
  }

  /**
   * @param {string} path @param {number} first @param {number} last @param {number[] | null} values
   * @param {number | null} [strangeness]
   * @returns {Prediction}
   */
  prediction(path, first, last, values, strangeness = null) {
    /** @type {string[]} */
    const emotions = this.card.emotions;
    const confidence = values ? Math.max(...values) : 0;
    const emotion = values ? emotions[values.indexOf(confidence)] : null;
    return {
      path,
      start: first / this.rate,
      end: last / this.rate,
      emotion,
      label: emotion ?? "no speech",
      confidence,
      probabilities: Object.fromEntries(emotions.map((name, i) => [name, values ? values[i] : 0])),
      model: this.card.name,
      candidates: [],
      strangeness,
    };
  }
}

/** @param {Float32Array} one @param {Float32Array} other @returns {boolean} whether they hold the same samples */
export function same(one, other) {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

/** Windows of one voice, each judged with what those before it told: `vocalics.recognizer.Follower`. */

/** @import { Prediction } from "../types.js" */
/** @import { Recognizer } from "./recognizer.js" */

const PRIOR = 2; // clips that speak for a voice like any other

export class Follower {
  /** @param {Recognizer} recognizer of a model that gets used to voices */
  constructor(recognizer) {
    this.recognizer = recognizer;
    this.clips = 0;
    /** @type {Float32Array | null} the sum of what the clips left */
    this.total = null;
    this.until = 0;
  }

  /** @returns {Float32Array | null} what is taken away from the model's layer; null is nothing */
  get offset() {
    const by = Math.fround(this.clips + PRIOR);
    return this.total && this.total.map((value) => value / by);
  }

  /**
   * Judge one window, and take in what it tells: what was heard twice counts once.
   * @param {number} start position of its first sample
   * @param {Float32Array} samples
   * @param {string} path
   * @returns {Promise<Prediction>}
   */
  async judgeWindow(start, samples, path) {
    const end = start + samples.length;
    const { seconds, judgement } = await this.recognizer.hearing(samples, this.offset);
    if (judgement?.left) {
      const weight = (Math.min(1, seconds) * (end - Math.max(start, this.until))) / samples.length;
      const { left } = judgement;
      const counted = Math.fround(weight);
      this.total = left.map((value, i) => (this.total?.[i] ?? 0) + Math.fround(counted * value));
      this.clips += weight;
      this.until = end;
    }
    return this.recognizer.prediction(path, start, end, judgement?.probabilities ?? null, judgement?.strangeness);
  }
}

/** Predictions made steady for the eye: `vocalics.streaming.Display`. */

/** @import { Prediction, Shown } from "../types.js" */

const SMOOTHING = 1.5; // seconds
const MARGIN = 0.1;
const PATIENCE = 2; // seconds
const QUIET = 2; // seconds

export class Display {
  constructor() {
    /** @type {number[] | null} */
    this.mean = null;
    /** @type {string | null} */
    this.shown = null;
    this.since = 0;
    /** @type {[string, number] | null} */
    this.rival = null;
    /** @type {number | null} since when no emotion is named */
    this.open = null;
    this.heard = 0;
    this.end = 0;
  }

  /** @param {Prediction} prediction the next one of a stream @returns {Shown} what is to be shown */
  update(prediction) {
    const emotions = Object.keys(prediction.probabilities);
    const { end } = prediction;
    const before = this.shown;
    const passed = Math.max(0, end - this.end);
    this.end = end;
    if (prediction.confidence > 0) {
      const values = Object.values(prediction.probabilities);
      const keep = this.mean ? Math.exp(-passed / SMOOTHING) : 0;
      const mean = this.mean ?? values;
      this.mean = values.map((value, i) => keep * mean[i] + (1 - keep) * value);
      this.heard = end;
      if (prediction.emotion === null) {
        this.leaveOpen(prediction.label, emotions, end);
      } else {
        this.open = null;
        this.choose(emotions, end);
      }
    } else if (end - this.heard >= QUIET) {
      this.mean = this.shown = this.rival = this.open = null;
    }
    if (this.shown !== before) this.since = end;
    const held = this.mean ?? emotions.map(() => 0);
    const probabilities = Object.fromEntries(emotions.map((emotion, i) => [emotion, held[i]]));
    const emotion = this.shown !== null && this.shown in probabilities ? this.shown : null;
    return {
      emotion,
      label: this.shown ?? "no speech",
      confidence: emotion === null ? 0 : probabilities[emotion],
      probabilities,
      since: this.since,
      changed: this.shown !== before,
    };
  }

  /** @param {string} label @param {string[]} emotions @param {number} end */
  leaveOpen(label, emotions, end) {
    this.open ??= end;
    if (!emotions.includes(this.shown ?? "") || end - this.open >= PATIENCE) {
      this.shown = label;
      this.rival = null;
    }
  }

  /** @param {string[]} emotions @param {number} end */
  choose(emotions, end) {
    const mean = /** @type {number[]} */ (this.mean);
    const highest = Math.max(...mean);
    const first = emotions[mean.indexOf(highest)];
    if (this.shown === null || !emotions.includes(this.shown)) this.shown = first;
    if (first === this.shown) {
      this.rival = null;
      return;
    }
    if (this.rival?.[0] !== first) this.rival = [first, end];
    const lead = highest - mean[emotions.indexOf(this.shown)];
    if (lead >= MARGIN || end - this.rival[1] >= PATIENCE) {
      this.shown = first;
      this.rival = null;
    }
  }
}

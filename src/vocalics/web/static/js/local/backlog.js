/** Windows of a stream that are cut and not judged yet, in order: `vocalics.streaming.Backlog`. */

/** @import { Cut } from "./windows.js" */

export class Backlog {
  /**
   * @param {number} rate in Hz
   * @param {number | null} maxLag a window whose end lies further behind what was heard, in seconds, is left out as soon
   *   as a later one is there; null keeps all
   */
  constructor(rate, maxLag) {
    this.rate = rate;
    this.maxLag = maxLag;
    this.skipped = 0;
    /** @type {Cut[]} */
    this.windows = [];
  }

  /** @returns {number} how many wait */
  get length() {
    return this.windows.length;
  }

  /** @param {Cut[]} cuts */
  extend(cuts) {
    this.windows.push(...cuts);
  }

  /**
   * The window to be judged next; those that are too old for it are left out.
   * @param {number} heard seconds of the stream that have come in
   * @returns {Cut | undefined} undefined where none waits
   */
  take(heard) {
    let next = this.windows.shift();
    while (next && this.maxLag !== null && this.windows.length && heard - this.end(next) > this.maxLag) {
      next = this.windows.shift();
      this.skipped += 1;
    }
    return next;
  }

  /** @param {Cut} cut */
  end({ start, samples }) {
    return (start + samples.length) / this.rate;
  }
}

/** Cuts a stream of samples into windows: `vocalics.windows.Windows`. */

import { round } from "./rounding.js";

/** @typedef {{start: number, samples: Float32Array}} Cut the position of its first sample, and the samples */

const PIECE = 160_000; // samples

export class Windows {
  /**
   * @param {number} window in seconds
   * @param {number} hop in seconds, at most a window
   * @param {number} rate in Hz
   * @param {number} [whole] what ends within so many seconds comes out in one piece
   */
  constructor(window, hop, rate, whole = 0) {
    if (!(window >= 0.25)) throw new Error(`A window of ${window} s is too short to judge; expected at least 0.25 s.`);
    if (!(hop > 0 && hop <= window) || round(hop * rate) < 1) {
      throw new Error(`A hop of ${hop} s leaves gaps or stands still; expected above 0, at most ${window} s.`);
    }
    this.window = round(window * rate);
    this.hop = round(hop * rate);
    this.whole = round(Math.max(whole, whole ? window : 0) * rate);
    // Cut only when the rest is long enough for a window of its own.
    this.needed = Math.max(this.window, this.hop + Math.floor((this.window + 1) / 2));
    /** Seconds that a window may last, the last one with the rest that it takes in. */
    this.longest = Math.max(this.window, this.needed - 1, this.whole) / rate;
    this.start = 0;
    /** @type {Float32Array[]} */
    this.pieces = [];
    this.held = 0;
  }

  /** @param {Float32Array} samples @returns {Cut[]} the windows that are complete */
  feed(samples) {
    this.pieces.push(samples);
    this.held += samples.length;
    if (this.held < this.needed || (this.start === 0 && this.held <= this.whole)) return [];
    let joined = this.joined();
    const cuts = [];
    while (joined.length >= this.needed) {
      cuts.push({ start: this.start, samples: joined.slice(0, this.window) });
      this.start += this.hop;
      joined = joined.subarray(this.hop);
    }
    this.pieces = [joined.slice()];
    this.held = joined.length;
    return cuts;
  }

  /** @returns {Cut[]} what is left, unless earlier windows hold all of it */
  flush() {
    const rest = this.start === 0 || this.held > this.window - this.hop;
    return rest ? [{ start: this.start, samples: this.joined() }] : [];
  }

  /**
   * All windows of samples that are there already, one after the other, so that few are held at a time.
   * @param {Float32Array} samples
   * @returns {Generator<Cut>}
   */
  *all(samples) {
    for (let at = 0; at < samples.length; at += PIECE) yield* this.feed(samples.subarray(at, at + PIECE));
    yield* this.flush();
  }

  /** @returns {Float32Array} */
  joined() {
    const all = new Float32Array(this.held);
    let at = 0;
    for (const piece of this.pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

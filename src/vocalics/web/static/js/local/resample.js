/**
 * Samples at another rate, by a windowed sinc: flat up to 0.913 of the lower Nyquist frequency, 120 dB down from it on.
 * These are the bands of the resampler that the Python side uses, so that both hear the same to a few parts in a
 * hundred thousand.
 */

const ATTENUATION_DB = 120;
const PASS = 0.913;
const EXACT_PHASES = 512; // of more, the filter is interpolated between so many

/** @param {number} x @returns {number} the modified Bessel function of order 0 */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** @param {number} a @param {number} b @returns {number} */
function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}

/** What comes out depends on the samples only, not on how they are fed. */
export class Resampler {
  /**
   * @param {number} source rate of what is fed, in Hz
   * @param {number} target rate of what comes out, in Hz
   */
  constructor(source, target) {
    const common = divisor(source, target);
    this.up = target / common;
    this.down = source / common;
    this.same = source === target;
    const narrow = Math.min(1, this.up / this.down);
    this.cutoff = (narrow * (1 + PASS)) / 4; // cycles per sample fed
    const transition = Math.PI * narrow * (1 - PASS);
    this.half = Math.ceil((ATTENUATION_DB - 7.95) / (2.285 * transition) / 2);
    this.exact = this.up <= EXACT_PHASES;
    this.phases = this.exact ? this.up : EXACT_PHASES;
    this.table = this.same ? new Float32Array(0) : this.filters();
    this.held = new Float32Array(this.half); // silence before the beginning
    this.first = -this.half; // position of held[0] among the samples fed
    this.fed = 0;
    this.given = 0;
  }

  /** @returns {Float32Array} a filter per phase (and one more), each for positions -half + 1 to half */
  filters() {
    const { half, cutoff, phases } = this;
    const beta = 0.1102 * (ATTENUATION_DB - 8.7);
    const scale = bessel(beta);
    const width = 2 * half;
    const table = new Float32Array((phases + 1) * width);
    const row = new Float64Array(width);
    for (let p = 0; p <= phases; p++) {
      let sum = 0;
      for (let k = 0; k < width; k++) {
        const t = k - half + 1 - p / phases;
        const inside = 1 - (t / half) ** 2;
        const angle = 2 * Math.PI * cutoff * t;
        const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
        row[k] = inside > 0 ? (sinc * bessel(beta * Math.sqrt(inside))) / scale : 0;
        sum += row[k];
      }
      for (let k = 0; k < width; k++) table[p * width + k] = row[k] / sum;
    }
    return table;
  }

  /**
   * Return what the samples so far allow; after the last ones, all that is left.
   * @param {Float32Array} samples
   * @param {boolean} [last]
   * @returns {Float32Array}
   */
  feed(samples, last = false) {
    if (this.same) return samples;
    this.fed += samples.length;
    const { half, up, down } = this;
    const joined = new Float32Array(this.held.length + samples.length + (last ? half + 1 : 0));
    joined.set(this.held);
    joined.set(samples, this.held.length);
    const reach = this.first + joined.length; // positions below are known
    const whole = Math.floor((this.fed * up) / down + 0.5);
    const ready = Math.max(0, Math.floor(((reach - half - 1) * up) / down) + 1);
    const until = last ? whole : Math.max(this.given, ready);
    const out = new Float32Array(until - this.given);
    for (let i = 0; i < out.length; i++) {
      const at = (this.given + i) * down;
      const base = Math.floor(at / up);
      out[i] = this.sample(joined, base - half + 1 - this.first, (at - base * up) / up);
    }
    this.given = until;
    const next = Math.floor((until * down) / up) - half + 1;
    const keep = Math.max(0, Math.min(joined.length, next - this.first));
    this.held = joined.slice(keep);
    this.first += keep;
    return out;
  }

  /** @param {Float32Array} x @param {number} from @param {number} fraction @returns {number} */
  sample(x, from, fraction) {
    const width = 2 * this.half;
    const at = fraction * this.phases;
    const phase = this.exact ? Math.round(at) : Math.floor(at);
    const low = product(x, from, this.table, phase * width, width);
    if (this.exact) return low;
    const high = product(x, from, this.table, (phase + 1) * width, width);
    return low + (at - phase) * (high - low);
  }
}

/**
 * The inner product of two stretches, in four sums that do not wait for one another.
 * @param {Float32Array} x @param {number} i @param {Float32Array} y @param {number} j @param {number} length even
 * @returns {number}
 */
function product(x, i, y, j, length) {
  let [a, b, c, d] = [0, 0, 0, 0];
  const end = i + length - 3;
  for (; i < end; i += 4, j += 4) {
    a += x[i] * y[j];
    b += x[i + 1] * y[j + 1];
    c += x[i + 2] * y[j + 2];
    d += x[i + 3] * y[j + 3];
  }
  for (; i < end + 3; i++, j++) a += x[i] * y[j];
  return a + b + c + d;
}

/**
 * @param {Float32Array} samples
 * @param {number} source
 * @param {number} target
 * @returns {Float32Array} the same samples where the rate is already right
 */
export function resample(samples, source, target) {
  return source === target ? samples : new Resampler(source, target).feed(samples, true);
}

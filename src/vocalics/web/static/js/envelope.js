/** The outline of a sound. */

const POINTS = 1600;

/** @param {Float32Array} samples @returns {number[]} the peak level of equal parts */
export function envelopeOf(samples) {
  const count = Math.max(1, Math.min(POINTS, samples.length));
  return Array.from({ length: count }, (_, i) => {
    let highest = 0;
    const end = Math.floor(((i + 1) * samples.length) / count);
    for (let k = Math.floor((i * samples.length) / count); k < end; k++)
      highest = Math.max(highest, Math.abs(samples[k]));
    return highest;
  });
}

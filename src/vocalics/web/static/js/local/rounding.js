/**
 * The nearest whole number; of two, the even one, as Python rounds.
 * @param {number} value
 * @returns {number}
 */
export function round(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

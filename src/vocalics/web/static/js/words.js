/** Numbers and predictions in words. */

/** @import { Prediction, Summary } from "./types.js" */

/** @param {number} share @returns {string} */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** @param {number} seconds @returns {string} "1:05" */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {number} seconds @returns {string} "1:05.3" */
export function fineClock(seconds) {
  const tenths = Math.round(10 * seconds);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

/** @param {number} seconds @returns {string} */
export function length(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${clock(seconds)} min`;
}

/** @param {Record<string, number>} shares @returns {[string, number][]} the greatest first */
export function ranked(shares) {
  return Object.entries(shares).sort((a, b) => b[1] - a[1]);
}

/** @param {Prediction} prediction @returns {string} what comes after the first: "disgust 13 %, neutral 10 %" */
export function others(prediction) {
  if (prediction.confidence === 0) return "";
  const rest = ranked(prediction.probabilities).filter(([emotion]) => emotion !== prediction.emotion);
  return rest
    .slice(0, 2)
    .map(([emotion, share]) => `${emotion} ${percent(share)}`)
    .join(", ");
}

/** @param {Prediction} prediction @returns {string} */
export function said(prediction) {
  return prediction.emotion === null ? prediction.label : `${prediction.label}, ${percent(prediction.confidence)}`;
}

/** @param {Summary} summary @returns {string} a sentence about a channel */
export function told(summary) {
  const shares = ranked(summary.shares).filter(([, share]) => share >= 0.005);
  if (!shares.length) return "Nobody speaks, as far as the model can tell.";
  const listed = shares
    .slice(0, 4)
    .map(([emotion, share]) => `${emotion} ${percent(share)}`)
    .join(", ");
  const changes = summary.changes === 1 ? "one change" : `${summary.changes || "no"} changes`;
  return `${length(summary.speech_seconds)} of speech: ${listed}; ${changes}.`;
}

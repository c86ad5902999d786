/** One colour per emotion, as in every figure of Vocalics: colour-blind-safe, and never without the word beside it. */

/** @type {Record<string, string>} */
export const PALETTE = {
  neutral: "#CDCDCD",
  calm: "#56B4E9",
  happy: "#E69F00",
  sad: "#0072B2",
  angry: "#D55E00",
  fear: "#CC79A7",
  disgust: "#009E73",
  surprise: "#F0E442",
  boredom: "#333333",
};

/**
 * On a light sheet the palest two are a shade deeper, on a dark one the darkest is lighter.
 * @type {Record<string, string>}
 */
const ON_LIGHT = { neutral: "#A3A9B0", surprise: "#D9C300" };
/** @type {Record<string, string>} */
const ON_DARK = { boredom: "#7D7D7D" };

/** On which white is read better than black. */
const DEEP = new Set(["sad", "boredom"]);

/**
 * @param {string | null} emotion @param {boolean} dark whether the sheet is
 * @returns {string | null} null for what is no emotion: no speech, unsure
 */
export function colourOf(emotion, dark) {
  return emotion === null ? null : ((dark ? ON_DARK : ON_LIGHT)[emotion] ?? PALETTE[emotion] ?? "#999999");
}

/** @param {string} emotion @returns {string} the colour of writing on the emotion's own */
export function inkOn(emotion) {
  return DEEP.has(emotion) ? "#ffffff" : "#15181c";
}

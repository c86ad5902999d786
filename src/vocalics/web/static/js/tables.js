/** Segments and windows as tables whose rows play. */

/** @import { Prediction } from "./types.js" */
import { button, make } from "./dom.js";
import { PALETTE, inkOn } from "./palette.js";
import { fineClock, others, percent } from "./words.js";

/** @param {Prediction} prediction @returns {HTMLElement} the emotion in words, on its colour */
export function chip(prediction) {
  const { emotion, label } = prediction;
  const made = make("span", { class: emotion ? "chip" : "chip none" }, label);
  if (emotion && PALETTE[emotion]) {
    made.style.background = PALETTE[emotion];
    made.style.color = inkOn(emotion);
  }
  return made;
}

export class Rows {
  /**
   * @param {string} caption @param {Prediction[]} predictions
   * @param {(prediction: Prediction) => void} play
   */
  constructor(caption, predictions, play) {
    const head = make(
      "tr",
      {},
      ...["", "from", "to", "emotion", "confidence", "then"].map((name, i) =>
        make("th", { scope: "col", class: i === 5 ? "then" : null }, name || make("span", { class: "spoken" }, "play")),
      ),
    );
    this.rows = predictions.map((one) => ({ one, row: rowOf(one, play) }));
    const body = make("tbody", {}, ...this.rows.map(({ row }) => row));
    const table = make("table", {}, make("caption", {}, caption), make("thead", {}, head), body);
    this.element = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table);
  }

  /** @param {number | null} time marks the rows that are heard at it */
  mark(time) {
    for (const { one, row } of this.rows) {
      row.classList.toggle("heard", time !== null && one.start <= time && time < one.end);
    }
  }
}

/** @param {Prediction} one @param {(prediction: Prediction) => void} play @returns {HTMLTableRowElement} */
function rowOf(one, play) {
  const label = `Play ${fineClock(one.start)} to ${fineClock(one.end)}, ${one.label}`;
  const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span"));
  /** @type {HTMLElement} */ (bar.firstChild).style.width = `${100 * one.confidence}%`;
  const row = make(
    "tr",
    {},
    make(
      "td",
      {},
      button("▶", () => play(one), { class: "play", "aria-label": label }),
    ),
    make("td", { class: "n" }, fineClock(one.start)),
    make("td", { class: "n" }, fineClock(one.end)),
    make("td", {}, chip(one)),
    make("td", { class: "n sure" }, one.confidence ? percent(one.confidence) : "–", bar),
    make("td", { class: "then" }, others(one)),
  );
  row.addEventListener("click", (event) => {
    if (!(event.target instanceof HTMLButtonElement)) play(one);
  });
  return row;
}

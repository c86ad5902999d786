/** The model's card, for people. */

/** @import { Card } from "./types.js" */
import { make } from "./dom.js";
import { PALETTE, inkOn } from "./palette.js";

/** @param {Card} card @returns {HTMLElement[]} */
export function about(card) {
  return [
    make(
      "div",
      { class: "card" },
      make("h2", {}, card.name),
      make("p", {}, card.description ?? ""),
      make("p", { class: "chips" }, ...card.emotions.map(emotionChip)),
      facts(card),
    ),
    make(
      "div",
      { class: "card" },
      make("h2", {}, "What it is for, and what not"),
      ...titled("Intended use", card.intended_use),
      ...titled("Limits", card.limits),
      ...titled("Licence", card.licence),
      make(
        "p",
        { class: card.commercial ? "" : "warn" },
        card.commercial
          ? "The licences of all corpora allow commercial use."
          : "Not for commercial use: the licences of some corpora forbid it.",
      ),
    ),
    make("div", { class: "card" }, make("h2", {}, "Measured"), ...figures(card)),
    make("div", { class: "card" }, make("h2", {}, "Trained on"), corpora(card), ...titled("Protocol", card.protocol)),
  ];
}

/** @param {string} emotion @returns {HTMLElement} */
function emotionChip(emotion) {
  const chip = make("span", { class: "chip" }, emotion);
  chip.style.background = PALETTE[emotion] ?? "";
  chip.style.color = inkOn(emotion);
  return chip;
}

/** @param {string} title @param {string | undefined} text @returns {HTMLElement[]} */
function titled(title, text) {
  return text ? [make("h3", {}, title), make("p", {}, text)] : [];
}

/** @param {Card} card @returns {HTMLElement} */
function facts(card) {
  /** @type {[string, string | null][]} */
  const all = [
    ["parameters", card.n_parameters ? card.n_parameters.toLocaleString("en") : null],
    ["hears", card.sample_rate ? `${card.sample_rate / 1000} kHz` : null],
    ["windows", card.window_seconds ? `${card.window_seconds} s, every ${card.hop_seconds} s` : null],
    ["made", card.created || null],
  ];
  const shown = all.filter(([, value]) => value);
  return make(
    "dl",
    { class: "facts" },
    ...shown.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value ?? ""))),
  );
}

/** @param {Card} card @returns {HTMLElement[]} */
function figures(card) {
  if (!card.figures?.length) return [make("p", {}, "Nothing was measured.")];
  const percent = (/** @type {number | undefined} */ value) =>
    value === undefined || value === null ? "" : (100 * value).toFixed(1);
  const interval = (/** @type {Record<string, any>} */ one) =>
    one.low == null || one.high == null ? "" : ` (${percent(one.low)} to ${percent(one.high)})`;
  const rows = card.figures.map((/** @type {Record<string, any>} */ one) => [
    one.corpus ?? "",
    one.metric ?? "",
    percent(one.value) + interval(one) + (one.pooled ? `; all folds together ${percent(one.pooled.value)}${interval(one.pooled)}` : ""),
    String(one.classes ?? ""),
    String(one.speakers ?? ""),
    [one.protocol, one.measured_on].filter(Boolean).join("; "),
  ]);
  return [
    make("p", {}, "UAR is the mean, over the emotions, of the share of clips recognised; in brackets a 95 % interval."),
    table("Measured figures", ["corpus", "metric", "%", "emotions", "speakers", "how"], rows, "wide"),
    make("p", { class: "note" }, "The speech is acted. In spontaneous speech, recognition is worse."),
  ];
}

/** @param {Card} card @returns {HTMLElement} */
function corpora(card) {
  const rows = (card.corpora ?? []).map((/** @type {Record<string, any>} */ one) => [
    one.name + (one.note ? ` (${one.note})` : ""),
    one.clips?.toLocaleString("en") ?? "",
    String(one.speakers ?? ""),
    one.licence ?? "",
    one.commercial ? "allowed" : "not allowed",
  ]);
  return table("Corpora", ["corpus", "clips", "speakers", "licence", "commercial use"], rows);
}

/**
 * @param {string} caption @param {string[]} head @param {string[][]} rows @param {string} [kind]
 * @returns {HTMLElement}
 */
function table(caption, head, rows, kind = "") {
  const row = (/** @type {string[]} */ cells, /** @type {"th" | "td"} */ tag) =>
    make("tr", {}, ...cells.map((cell) => make(tag, tag === "th" ? { scope: "col" } : {}, cell)));
  return make(
    "div",
    { class: `scroll ${kind}`, tabindex: 0, role: "region", "aria-label": caption },
    make(
      "table",
      {},
      make("caption", { class: "spoken" }, caption),
      make("thead", {}, row(head, "th")),
      make("tbody", {}, ...rows.map((cells) => row(cells, "td"))),
    ),
  );
}

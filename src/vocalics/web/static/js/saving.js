/** Results as files: JSON, CSV, PNG. */

/** @import { Prediction, Result, Timeline } from "./types.js" */
import { make } from "./dom.js";

/** @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** @param {string} path @param {string} ending @returns {string} */
export function nameFor(path, ending) {
  return `${path.replace(/^.*[\\/]/, "").replace(/\.[^.]*$/, "") || "recording"}.emotions.${ending}`;
}

/** @param {Result} result @returns {Blob} */
export function asJson({ timeline, whole }) {
  return new Blob([JSON.stringify({ ...timeline, whole }, null, 2), "\n"], { type: "application/json" });
}

/** One row per segment and window. @param {Result} result @returns {Blob} */
export function asCsv({ timeline, whole }) {
  const first = ["path", "channel", "kind", "start", "end", "emotion", "label", "confidence"];
  const head = [...first, ...timeline.emotions, "model", "candidates", "strangeness"];
  const row = (/** @type {string} */ channel, /** @type {string} */ kind) => (/** @type {Prediction} */ one) => [
    timeline.path,
    channel,
    kind,
    one.start.toFixed(3),
    one.end.toFixed(3),
    one.emotion ?? "",
    one.label,
    one.confidence.toFixed(4),
    ...timeline.emotions.map((emotion) => (one.probabilities[emotion] ?? 0).toFixed(4)),
    one.model,
    (one.candidates ?? []).join(" "),
    one.strangeness?.toFixed(3) ?? "",
  ];
  const rows = timeline.channels.flatMap(({ name, segments, windows }) => [
    ...segments.map(row(name, "segment")),
    ...windows.map(row(name, "window")),
  ]);
  if (whole) rows.unshift(row("", "whole")(whole));
  return new Blob([[head, ...rows].map((cells) => cells.map(cell).join(",") + "\r\n").join("")], { type: "text/csv" });
}

/** @param {string} value @returns {string} quoted where it must be; no spreadsheet takes it for a formula */
function cell(value) {
  const plain = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

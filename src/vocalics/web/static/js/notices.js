/** What is said aloud by screen readers, and errors in words. */

/** @import { Problem } from "./types.js" */
import { button, byId, make } from "./dom.js";

/** @param {string} text */
export function announce(text) {
  byId("announcer", HTMLElement).textContent = text;
}

/** @param {Problem} problem @param {string} [about] the file @returns {HTMLElement} */
export function problemBox(problem, about = "") {
  const title = about ? `${about}: ${problem.title}` : problem.title;
  const box = make("div", { class: "problem" }, make("p", {}, make("strong", {}, title)));
  if (problem.detail) box.append(make("p", {}, problem.detail));
  return box;
}

/** Show an error above everything until it is put away. @param {Problem} problem */
export function alertOf(problem) {
  const box = problemBox(problem);
  box.append(button("Close", () => box.remove(), { class: "quiet" }));
  byId("alerts", HTMLElement).replaceChildren(box);
}

export function clearAlerts() {
  byId("alerts", HTMLElement).replaceChildren();
}

/** Light or dark: as the system is, or as the switch says. */

import { byId } from "./dom.js";
import { remember, remembered } from "./storage.js";

const KEY = "vocalics-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** @returns {boolean} */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

/** Set the switch up. What is painted is painted anew on the window's event "themechange". */
export function setUpTheme() {
  const control = byId("theme", HTMLButtonElement);
  const show = () => {
    control.textContent = isDark() ? "Light" : "Dark";
    control.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
    dispatchEvent(new Event("themechange"));
  };
  const kept = remembered(() => localStorage, KEY);
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  control.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    remember(() => localStorage, KEY, next);
    show();
  });
  system.addEventListener("change", show);
  show();
}

/**
 * @typedef {Record<"ink" | "soft" | "faint" | "rule" | "paper" | "ground", string> & {dark: boolean}} Inks
 * @returns {Inks} the colours that the page has now
 */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const of = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  return {
    dark: isDark(),
    ink: of("ink"),
    soft: of("soft"),
    faint: of("faint"),
    rule: of("rule"),
    paper: of("paper"),
    ground: of("ground"),
  };
}

/** @type {Inks} those of a picture that is saved */
export const PRINTED = {
  dark: false,
  ink: "#1f2328",
  soft: "#565d66",
  faint: "#a5abb3",
  rule: "#e1e4e8",
  paper: "#ffffff",
  ground: "#f6f7f9",
};

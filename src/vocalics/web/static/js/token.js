/** Asks for the server's token. */

import { byId } from "./dom.js";

/** @type {Promise<string | null> | null} one question, however many ask at once */
let asked = null;

/** @param {boolean} refused whether one was tried already @returns {Promise<string | null>} null where none is given */
export function askForToken(refused) {
  asked ??= ask(refused).finally(() => {
    asked = null;
  });
  return asked;
}

/** @param {boolean} refused @returns {Promise<string | null>} */
function ask(refused) {
  const dialog = byId("token-dialog", HTMLDialogElement);
  const field = byId("token", HTMLInputElement);
  if (refused) byId("token-note", HTMLElement).textContent = "The server did not take that token. Try another one.";
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve((dialog.returnValue && field.value.trim()) || null), { once: true });
  });
}

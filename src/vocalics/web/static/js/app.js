/** The page: puts the parts together. */

/** @import { Card, Options } from "./types.js" */
import { about } from "./about.js";
import { byId, make } from "./dom.js";
import { engine as chosenEngine } from "./engine.js";
import { Live } from "./live.js";
import { alertOf, clearAlerts } from "./notices.js";
import { Recordings } from "./recordings.js";
import { setUpTabs } from "./tabs.js";
import { setUpTheme } from "./theme.js";
import { askForToken } from "./token.js";
import { Problem } from "./types.js";

const engine = chosenEngine(askForToken);
const select = byId("model", HTMLSelectElement);
const adaptChoice = byId("adapt-choice", HTMLElement);
/** @type {Map<string, Card>} */
const models = new Map();

/** @param {string} id @returns {number | null} a field's number; null where it is empty */
function number(id) {
  const { value } = byId(id, HTMLInputElement);
  return value === "" ? null : Number(value);
}

/** @returns {Options} */
const options = () => ({
  model: select.value,
  window: number("window"),
  hop: number("hop"),
  adapt: !adaptChoice.hidden && byId("adapt", HTMLInputElement).checked,
});
const live = new Live(
  engine,
  () => ({ ...options(), window: null, hop: null }),
  () => models.get(select.value)?.emotions ?? [],
);
new Recordings(engine, options);

async function showCard() {
  live.clear();
  const panel = byId("about", HTMLElement);
  const name = select.value;
  adaptChoice.hidden = models.get(name)?.gets_used_to_voices !== true;
  panel.replaceChildren(make("p", { class: "note" }, "Reading the card …"));
  try {
    const card = await engine.card(name);
    models.set(name, { ...models.get(name), ...card });
    if (select.value !== name) return;
    panel.replaceChildren(...about(card));
    byId("window", HTMLInputElement).placeholder = String(card.window_seconds);
    byId("hop", HTMLInputElement).placeholder = String(card.hop_seconds);
  } catch (error) {
    alertOf(Problem.from(error));
  }
}

async function start() {
  byId("privacy", HTMLElement).textContent = engine.local
    ? "Computed in this browser: your voice does not leave it."
    : "Sound goes to the server that this page comes from, and nowhere else.";
  try {
    for (const card of await engine.models()) {
      models.set(card.name, card);
      select.append(make("option", { value: card.name, selected: card.default === true }, card.name));
    }
    select.disabled = models.size < 2;
    await showCard();
  } catch (error) {
    alertOf(Problem.from(error));
  }
}

setUpTheme();
setUpTabs(() => {
  clearAlerts();
  live.paint();
});
select.addEventListener("change", async () => {
  // What listens goes on with the model it began with: its emotions may be others.
  if (live.microphone) await live.stop();
  await showCard();
});
start();

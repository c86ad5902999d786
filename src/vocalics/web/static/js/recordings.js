/** Files, dropped, chosen or recorded, and their results. */

/** @import { Engine, Options } from "./types.js" */
import { button, byId, make } from "./dom.js";
import { Microphone, levelOf } from "./microphone.js";
import { alertOf, announce, clearAlerts, problemBox } from "./notices.js";
import { headlineOf, headlineWords, resultBody } from "./result.js";
import { save } from "./saving.js";
import { Problem } from "./types.js";
import { writeWave } from "./wave.js";
import { clock, percent } from "./words.js";

export class Recordings {
  /** @param {Engine} engine @param {() => Options} options */
  constructor(engine, options) {
    this.engine = engine;
    this.options = options;
    this.results = byId("results", HTMLElement);
    /** @type {Promise<void>} one file after another */
    this.queue = Promise.resolve();
    this.setUpDrop();
    this.setUpRecord();
  }

  setUpDrop() {
    const [drop, files] = [byId("drop", HTMLElement), byId("files", HTMLInputElement)];
    byId("choose", HTMLButtonElement).addEventListener("click", () => files.click());
    files.addEventListener("change", () => {
      this.take([...(files.files ?? [])]);
      files.value = "";
    });
    for (const event of ["dragenter", "dragover"]) {
      addEventListener(event, (given) => {
        given.preventDefault();
        drop.classList.add("over");
      });
    }
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) drop.classList.remove("over");
    });
    addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.take([...(event.dataTransfer?.files ?? [])]);
    });
  }

  setUpRecord() {
    const [control, label] = [byId("record", HTMLButtonElement), byId("record-label", HTMLElement)];
    const level = byId("record-level", HTMLElement);
    /** @type {Microphone | null} */
    let microphone = null;
    /** @type {Float32Array[]} */
    let pieces = [];
    let count = 0;
    const show = () => {
      control.setAttribute("aria-pressed", String(microphone !== null));
      label.textContent = microphone ? `Stop, ${clock(count / microphone.rate)}` : "Record";
      level.hidden = microphone === null;
    };
    control.addEventListener("click", async () => {
      clearAlerts();
      control.disabled = true;
      try {
        if (microphone) {
          const { rate } = microphone;
          await microphone.close();
          microphone = null;
          const at = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
          this.take([new File([writeWave(pieces, rate)], `recording ${at}.wav`, { type: "audio/wav" })]);
        } else {
          [pieces, count] = [[], 0];
          microphone = await Microphone.open((samples) => {
            pieces.push(samples);
            count += samples.length;
            /** @type {HTMLElement} */ (level.firstElementChild).style.width = `${100 * levelOf(samples)}%`;
            show();
          });
          microphone.lost = () => control.click();
          announce("Recording.");
        }
      } catch (error) {
        alertOf(Problem.from(error));
      } finally {
        control.disabled = false;
        show();
      }
    });
  }

  /** @param {File[]} files */
  take(files) {
    clearAlerts();
    const places = files.map((file) => {
      const place = make("article", { class: "card result", "aria-busy": "true", "aria-label": file.name });
      place.append(
        make("p", { class: "waiting" }, make("b", {}, file.name), make("span", { class: "note" }, "waiting")),
      );
      return place;
    });
    this.results.prepend(...places);
    const options = this.options();
    files.forEach((file, i) => {
      this.queue = this.queue.then(() => this.judge(file, places[i], options, files.length === 1 || i === 0));
    });
  }

  /** @param {HTMLElement} place a result */
  remove(place) {
    place.remove();
    byId("choose", HTMLButtonElement).focus();
    announce(`${place.ariaLabel} was removed.`);
  }

  /** @param {File} file @param {HTMLElement} place @param {Options} options @param {boolean} open */
  async judge(file, place, options, open) {
    const note = place.querySelector(".note");
    if (note) note.textContent = "listening …";
    try {
      const result = await this.engine.analyse(file, options, (share) => {
        if (note) note.textContent = `listening … ${percent(share)}`;
      });
      const summary = make("summary", {}, make("b", { class: "name" }, file.name), headlineOf(result));
      place.replaceChildren(
        make(
          "details",
          { open },
          summary,
          resultBody(result, file, () => this.remove(place)),
        ),
      );
      // For a page around this one: the result, as it is saved.
      place.dispatchEvent(new CustomEvent("vocalics-result", { bubbles: true, detail: result }));
      announce(`${file.name}: ${headlineWords(result)}.`);
    } catch (error) {
      const problem = Problem.from(error);
      // What was recorded is nowhere else.
      const again = button("Try again", () => {
        place.remove();
        this.take([file]);
      });
      const keep = button("Save the sound", () => save(file, file.name));
      const drop = button("Remove", () => this.remove(place), { class: "quiet", "aria-label": `Remove ${file.name}` });
      place.replaceChildren(problemBox(problem, file.name), make("p", { class: "actions" }, again, keep, drop));
      announce(`${file.name}: ${problem.message}`);
    }
    place.removeAttribute("aria-busy");
  }
}

/** The microphone, live: what is heard now, and over the last minute. */

/** @import { Engine, LivePrediction, LiveStream, Options } from "./types.js" */
import { byId, make } from "./dom.js";
import { Microphone, levelOf } from "./microphone.js";
import { alertOf, announce, clearAlerts } from "./notices.js";
import { LANE, AXIS, axis, lanes, names, sheet, strip } from "./paint.js";
import { colourOf } from "./palette.js";
import { inks, isDark } from "./theme.js";
import { Problem } from "./types.js";
import { percent, ranked } from "./words.js";

const MINUTE = 60; // seconds
/** @type {Record<string, string>} why no emotion is shown though someone speaks */
const OPEN = {
  unsure: "No emotion is probable enough.",
  unfamiliar: "Unlike the voices that the model knows.",
};

export class Live {
  /** @param {Engine} engine @param {() => Options} options @param {() => string[]} emotions */
  constructor(engine, options, emotions) {
    this.engine = engine;
    this.options = options;
    this.emotions = emotions;
    /** @type {Microphone | null} */
    this.microphone = null;
    /** @type {LiveStream | null} */
    this.stream = null;
    /** @type {LivePrediction[]} */
    this.heard = [];
    this.session = Symbol("none");
    this.control = byId("listen", HTMLButtonElement);
    this.canvas = byId("minute", HTMLCanvasElement);
    this.adapt = byId("adapt", HTMLInputElement);
    this.control.addEventListener("click", () => (this.microphone ? this.stop() : this.start()));
    new ResizeObserver(() => this.paint()).observe(this.canvas);
    addEventListener("themechange", () => this.paint());
  }

  /** Show nothing, for the emotions of the model that is chosen. */
  clear() {
    this.session = Symbol("none"); // of what listened before nothing is shown any more
    this.heard = [];
    this.bars(Object.fromEntries(this.emotions().map((emotion) => [emotion, 0])));
    this.paint();
  }

  async start() {
    clearAlerts();
    this.control.disabled = this.adapt.disabled = true; // a stream is asked for as a whole
    this.clear();
    const mine = (this.session = Symbol("session")); // of an earlier one something may still come in
    const level = /** @type {HTMLElement} */ (byId("live-level", HTMLElement).firstElementChild);
    try {
      const microphone = await Microphone.open((samples) => {
        this.stream?.feed(samples);
        level.style.width = `${100 * levelOf(samples)}%`;
      });
      if (this.session !== mine) {
        await microphone.close(); // another model was chosen while the browser asked
        this.control.disabled = false;
        this.button();
        return;
      }
      this.microphone = microphone;
      this.microphone.lost = () => {
        alertOf(new Problem("The microphone is gone", "It was unplugged, or taken away. Start again when it is back."));
        this.stop();
      };
      this.now("Listening …", null);
      const stream = await this.engine.live(this.microphone.rate, this.options(), {
        prediction: (prediction) => {
          if (this.session === mine) this.take(prediction);
        },
        error: (problem) => {
          alertOf(problem);
          if (this.session === mine) this.stop();
        },
        end: () => {},
      });
      if (this.session === mine && this.microphone) {
        this.stream = stream;
        announce("Listening.");
      } else {
        stream.finish(); // it was stopped, or another model chosen, meanwhile
        if (this.microphone === microphone) await this.stop();
      }
    } catch (error) {
      alertOf(Problem.from(error));
      await this.stop();
    }
    this.control.disabled = false;
    this.button();
  }

  async stop() {
    const { microphone, stream } = this;
    this.microphone = this.stream = null;
    this.now("Not listening", null);
    byId("since", HTMLElement).textContent = this.heard.length ? "What was heard stays until you start again." : "";
    /** @type {HTMLElement} */ (byId("live-level", HTMLElement).firstElementChild).style.width = "0";
    this.button();
    stream?.finish();
    await microphone?.close();
  }

  button() {
    this.adapt.disabled = this.microphone !== null;
    this.control.textContent = this.microphone ? "Stop" : "Start listening";
    this.control.setAttribute("aria-pressed", String(this.microphone !== null));
  }

  /** @param {LivePrediction} prediction */
  take(prediction) {
    const { shown } = prediction;
    this.heard = [...this.heard, prediction].filter((one) => one.end > prediction.end - MINUTE);
    this.bars(shown.probabilities);
    this.paint();
    if (!this.microphone) return;
    this.now(shown.label, shown.emotion);
    byId("since", HTMLElement).textContent = shown.emotion
      ? `${percent(shown.confidence)}, for ${Math.round(prediction.end - shown.since)} s`
      : OPEN[shown.label] ?? "Nobody speaks.";
    if (shown.changed) announce(shown.label);
  }

  /** @param {string} text @param {string | null} emotion */
  now(text, emotion) {
    const now = byId("now", HTMLElement);
    if (now.textContent === text) return;
    now.textContent = text;
    now.toggleAttribute("data-quiet", emotion === null);
    now.style.borderColor = colourOf(emotion, isDark()) ?? "";
  }

  /** @param {Record<string, number>} probabilities */
  bars(probabilities) {
    const list = byId("bars", HTMLElement);
    const emotions = Object.keys(probabilities);
    const key = `${emotions} ${isDark()}`;
    if (list.dataset.key !== key) {
      list.dataset.key = key;
      list.replaceChildren(
        ...emotions.map((emotion) => {
          const fill = make("span");
          fill.style.background = colourOf(emotion, isDark()) ?? "";
          return make(
            "li",
            {},
            make("span", { class: "word" }, emotion),
            make("span", { class: "bar" }, fill),
            make("span", { class: "n" }),
          );
        }),
      );
    }
    const first = ranked(probabilities)[0];
    [...list.children].forEach((item, i) => {
      const share = probabilities[emotions[i]];
      /** @type {HTMLElement} */ (item.children[1].firstElementChild).style.width = `${100 * share}%`;
      item.children[2].textContent = percent(share);
      item.classList.toggle("first", share > 0 && emotions[i] === first[0]);
    });
  }

  paint() {
    const width = this.canvas.clientWidth;
    if (!width) return;
    const emotions = this.emotions();
    const height = LANE + 8 + emotions.length * LANE + AXIS;
    const pen = sheet(this.canvas, width, height);
    const to = Math.max(MINUTE, this.heard.at(-1)?.end ?? 0);
    const plot = { pen, inks: inks(), left: 92, width: width - 92, from: to - MINUTE, to };
    const steps = this.heard.map((one, i) => ({
      from: Math.max(plot.from, this.heard[i - 1]?.end ?? one.start),
      to: one.end,
      probabilities: one.shown.probabilities,
    }));
    strip(plot, this.runs(plot.from), 0);
    lanes(plot, steps, emotions, LANE + 8);
    names(plot, emotions, null, LANE + 8);
    axis(plot, LANE + 8 + emotions.length * LANE);
    const runs = this.runs(plot.from).map((one) => one.label);
    if (runs.length) this.canvas.setAttribute("aria-label", `Heard, in this order: ${runs.join(", ")}.`);
  }

  /** @param {number} from @returns {LivePrediction[]} what was shown, as one stretch per emotion */
  runs(from) {
    /** @type {LivePrediction[]} */
    const runs = [];
    this.heard.forEach((one, i) => {
      const start = Math.max(from, this.heard[i - 1]?.end ?? one.start);
      const last = runs.at(-1);
      const { emotion, label } = one.shown;
      if (last && last.label === label) last.end = one.end;
      else runs.push({ ...one, start, emotion, label });
    });
    return runs;
  }
}

/** The engine in the browser alone: the voice never leaves it. */

/** @import { Card, Engine, LiveHandlers, Options, Result } from "./types.js" */
/** @import { Bundled } from "./local/ort.js" */
import { decode } from "./decode.js";
import { Problem } from "./types.js";

const FAILED = "The sound could not be judged";
const SHORTEST_HOP = 0.1; // seconds
const LONGEST_WINDOW = 30; // seconds
const MAX_LAG = 0.5; // seconds

/**
 * @typedef {Object} Waiting
 * @property {(value: any) => void} resolve
 * @property {(error: Problem) => void} reject
 * @property {(share: number) => void} [progress]
 */

/** As a server does: less would keep the machine busy for ever. @param {number | null} window @param {number | null} hop */
function checkWindows(window, hop) {
  if (hop !== null && !(hop >= SHORTEST_HOP)) {
    throw new Problem(FAILED, `A hop of ${hop} s is too short; expected at least ${SHORTEST_HOP} s.`);
  }
  if (window !== null && window > LONGEST_WINDOW) {
    throw new Problem(FAILED, `A window of ${window} s is too long; expected at most ${LONGEST_WINDOW} s.`);
  }
}

/** @implements {Engine} */
export class LocalEngine {
  /** @param {{runtime: string, models: Bundled[]}} config */
  constructor(config) {
    this.local = true;
    this.bundled = config.models;
    this.worker = new Worker(new URL("./local/worker.js", import.meta.url), { type: "module" });
    this.count = 0;
    /** @type {Map<number, Waiting>} */
    this.waiting = new Map();
    /** @type {Map<number, LiveHandlers>} */
    this.streams = new Map();
    this.worker.addEventListener("message", ({ data }) => this.heard(data));
    /** @type {Problem | null} why nothing is judged any more */
    this.dead = null;
    this.worker.addEventListener("error", (event) => {
      const why = event.message || "This browser cannot run the page's worker, or a part of the page is missing.";
      this.dead = new Problem(FAILED, why);
      for (const { reject } of this.waiting.values()) reject(this.dead);
      for (const { error } of this.streams.values()) error(this.dead);
      this.waiting.clear();
      this.streams.clear();
    });
    this.ask("start", { page: document.baseURI, runtime: config.runtime, models: config.models });
  }

  /** @returns {Promise<Card[]>} */
  async models() {
    return this.bundled.map((model) => ({ ...model.card, gets_used_to_voices: model.voice_width > 0 }));
  }

  /** @param {string} name @returns {Promise<Card>} */
  async card(name) {
    const model = this.bundled.find((one) => one.name === name);
    if (!model) throw new Problem("No such model", `"${name}" is not in this folder.`);
    return model.card;
  }

  /**
   * @param {File} file @param {Options} options @param {(share: number) => void} progress
   * @returns {Promise<Result>}
   */
  async analyse(file, { model, window, hop }, progress) {
    checkWindows(window, hop);
    const { rate, channels } = await decode(file);
    return this.ask("analyse", { model, channels, rate, path: file.name, window, hop }, progress);
  }

  /**
   * @param {number} rate @param {Options} options @param {LiveHandlers} handlers
   * @param {number | null} [maxLag] seconds; windows that end further behind are left out for newer ones
   */
  async live(rate, { model, window, hop, adapt }, handlers, maxLag = MAX_LAG) {
    checkWindows(window, hop);
    const stream = ++this.count;
    this.streams.set(stream, handlers);
    const emotions = await this.ask("open", { stream, model, rate, window, hop, adapt, maxLag });
    return {
      emotions,
      feed: (/** @type {Float32Array} */ samples) => void this.ask("feed", { stream, samples }),
      finish: () => void this.ask("finish", { stream }),
    };
  }

  /** @param {string} action @param {any} told @param {(share: number) => void} [progress] @returns {Promise<any>} */
  ask(action, told, progress) {
    if (this.dead) return Promise.reject(this.dead);
    const id = ++this.count;
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, progress }));
    answer.catch(() => {});
    this.worker.postMessage({ id, action, told });
    return answer;
  }

  /** @param {any} data */
  heard({ id, result, share, error, stream, prediction, end }) {
    if (share !== undefined) {
      this.waiting.get(id)?.progress?.(share);
      return;
    }
    const problem = error ? new Problem(FAILED, error) : null;
    if (id) {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (problem) waiting?.reject(problem);
      else waiting?.resolve(result);
    }
    const handlers = this.streams.get(stream);
    if (!handlers) return;
    if (problem) handlers.error(problem);
    if (prediction) handlers.prediction(prediction);
    if (end) handlers.end();
    if (end || problem) this.streams.delete(stream);
  }
}

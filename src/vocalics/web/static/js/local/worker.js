/** The model at work, apart from the page, which stays quick meanwhile. */

/** @import { Bundled } from "./ort.js" */
import { Backlog } from "./backlog.js";
import { Display } from "./display.js";
import { Follower } from "./follower.js";
import { open } from "./ort.js";
import { Recognizer } from "./recognizer.js";
import { Resampler, resample } from "./resample.js";
import { averaged, timelineOf } from "./timeline.js";
import { Turns } from "./turns.js";

/**
 * @typedef {Object} Stream
 * @property {Recognizer | Follower} judge
 * @property {Resampler} resampler
 * @property {import("./windows.js").Windows} windows
 * @property {Display} display
 * @property {Backlog} waiting
 * @property {number} heard seconds that have come in
 * @property {Promise<void>} judged all that came in before
 */

const LIVE_HOP = 0.5; // seconds
/** @type {{page: string, runtime: string, models: Bundled[]}} */
let setting;
/** @type {Map<string, Promise<Recognizer>>} */
const opened = new Map();
/** @type {Map<number, Stream>} */
const streams = new Map();
const files = new Turns();
/** Of the models: a stream does not wait for a file, but for one of its windows. */
const runs = new Turns();

/** @param {string} name @returns {Promise<Recognizer>} */
function recognizer(name) {
  const model = setting.models.find((one) => one.name === name);
  if (!model) throw new Error(`There is no model "${name}" here.`);
  let found = opened.get(name);
  if (!found) {
    found = open(model, setting.page, setting.runtime).then(
      (run) => new Recognizer(model.card, (...given) => runs.take(() => run(...given))),
    );
    found.catch(() => opened.delete(name));
    opened.set(name, found);
  }
  return found;
}

/** @type {Record<string, (told: any, id: number) => Promise<any>>} */
const ACTIONS = {
  async start(told) {
    setting = told;
  },
  analyse({ model, channels, rate, path, window, hop }, id) {
    return files.take(async () => {
      const judge = await recognizer(model);
      const whole = await judge.predict(resample(averaged(channels), rate, judge.rate), path);
      const timeline = await timelineOf(judge, channels, rate, path, window, hop, (share) => {
        postMessage({ id, share });
      });
      return { timeline, whole };
    });
  },
  async open({ stream, model, rate, window, hop, adapt, maxLag }) {
    const found = await recognizer(model);
    const windows = found.windows(window, hop ?? Math.min(LIVE_HOP, window ?? found.card.window_seconds));
    streams.set(stream, {
      judge: adapt ? new Follower(found) : found.apart(),
      resampler: new Resampler(rate, found.rate),
      windows,
      display: new Display(),
      waiting: new Backlog(found.rate, maxLag),
      heard: 0,
      judged: Promise.resolve(),
    });
    return found.card.emotions;
  },
  async feed({ stream, samples }) {
    const open = streams.get(stream);
    if (open) await tell(stream, open, open.resampler.feed(samples));
  },
  async finish({ stream }) {
    const open = streams.get(stream);
    if (!open) return;
    streams.delete(stream);
    await tell(stream, open, open.resampler.feed(new Float32Array(0), true), true);
    postMessage({ stream, end: true });
  },
};

/**
 * Cut what came in at once, and judge it in its turn.
 * @param {number} stream @param {Stream} open @param {Float32Array} samples @param {boolean} [isLast]
 */
function tell(stream, open, samples, isLast = false) {
  open.heard += samples.length / open.waiting.rate;
  open.waiting.extend(open.windows.feed(samples));
  if (isLast) open.waiting.extend(open.windows.flush().filter((cut) => cut.samples.length));
  open.judged = open.judged.then(async () => {
    for (let cut; (cut = open.waiting.take(open.heard)); ) {
      const prediction = await open.judge.judgeWindow(cut.start, cut.samples, "microphone");
      postMessage({ stream, prediction: { ...prediction, shown: open.display.update(prediction) } });
    }
  });
  return open.judged;
}

addEventListener("message", ({ data }) => {
  const { id, action, told } = data;
  Promise.resolve()
    .then(() => ACTIONS[action](told, id))
    .then(
      (result) => postMessage({ id, result }),
      (error) => {
        streams.delete(told.stream);
        postMessage({ id, stream: told.stream, error: error instanceof Error ? error.message : String(error) });
      },
    );
});

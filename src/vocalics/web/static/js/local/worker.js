/** The model at work, apart from the page, which stays quick meanwhile. */

/** @import { Bundled } from "./ort.js" */
import { Display } from "./display.js";
import { Follower } from "./follower.js";
import { open } from "./ort.js";
import { Recognizer } from "./recognizer.js";
import { Resampler, resample } from "./resample.js";
import { averaged, timelineOf } from "./timeline.js";

/**
 * @typedef {Object} Stream
 * @property {Recognizer | Follower} judge
 * @property {Resampler} resampler
 * @property {import("./windows.js").Windows} windows
 * @property {Display} display
 */

const LIVE_HOP = 0.5; // seconds
/** @type {{page: string, runtime: string, models: Bundled[]}} */
let setting;
/** @type {Map<string, Promise<Recognizer>>} */
const opened = new Map();
/** @type {Map<number, Stream>} */
const streams = new Map();
/** @type {Promise<unknown>} what is under way: one thing after another */
let busy = Promise.resolve();

/** @param {string} name @returns {Promise<Recognizer>} */
function recognizer(name) {
  const model = setting.models.find((one) => one.name === name);
  if (!model) throw new Error(`There is no model "${name}" here.`);
  let found = opened.get(name);
  if (!found) {
    found = open(model, setting.page, setting.runtime).then((run) => new Recognizer(model.card, run));
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
  async analyse({ model, channels, rate, path, window, hop }, id) {
    const judge = await recognizer(model);
    const whole = await judge.predict(resample(averaged(channels), rate, judge.rate), path);
    const timeline = await timelineOf(judge, channels, rate, path, window, hop, (share) => {
      postMessage({ id, share });
    });
    return { timeline, whole };
  },
  async open({ stream, model, rate, window, hop, adapt }) {
    const found = await recognizer(model);
    const windows = found.windows(window, hop ?? LIVE_HOP);
    streams.set(stream, {
      judge: adapt ? new Follower(found) : found,
      resampler: new Resampler(rate, found.rate),
      windows,
      display: new Display(),
    });
    return found.card.emotions;
  },
  async feed({ stream, samples }) {
    const open = streams.get(stream);
    if (open) await tell(stream, open, open.windows.feed(open.resampler.feed(samples)));
  },
  async finish({ stream }) {
    const open = streams.get(stream);
    if (!open) return;
    streams.delete(stream);
    const cuts = open.windows.feed(open.resampler.feed(new Float32Array(0), true));
    await tell(
      stream,
      open,
      [...cuts, ...open.windows.flush()].filter((cut) => cut.samples.length),
    );
    postMessage({ stream, end: true });
  },
};

/** @param {number} stream @param {Stream} open @param {import("./windows.js").Cut[]} cuts */
async function tell(stream, open, cuts) {
  for (const { start, samples } of cuts) {
    const prediction = await open.judge.judgeWindow(start, samples, "microphone");
    postMessage({ stream, prediction: { ...prediction, shown: open.display.update(prediction) } });
  }
}

addEventListener("message", ({ data }) => {
  const { id, action, told } = data;
  busy = busy
    .then(() => ACTIONS[action](told, id))
    .then(
      (result) => postMessage({ id, result }),
      (error) =>
        postMessage({ id, stream: told.stream, error: error instanceof Error ? error.message : String(error) }),
    );
});

/** Painting on a canvas: the waveform in colours of emotions, what is said when, and every emotion's probability. */

/** @import { Channel, Prediction } from "./types.js" */
/** @import { Inks } from "./theme.js" */
import { colourOf, inkOn } from "./palette.js";
import { clock, percent } from "./words.js";

export const LANE = 24;
const STRIP = 20;
export const AXIS = 22;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';

/**
 * @typedef {Object} Plot where time runs on a sheet
 * @property {CanvasRenderingContext2D} pen
 * @property {Inks} inks
 * @property {number} left
 * @property {number} width
 * @property {number} from in seconds
 * @property {number} to in seconds
 */

/** @param {Plot} plot @param {number} seconds @returns {number} */
export function xOf({ left, width, from, to }, seconds) {
  return left + (width * (seconds - from)) / (to - from || 1);
}

/** @param {Plot} plot @param {number} size @param {string} colour @param {string} [weight] */
function write({ pen }, size, colour, weight = "400") {
  pen.font = `${weight} ${size}px ${FONT}`;
  pen.fillStyle = colour;
  pen.textBaseline = "middle";
}

/**
 * A heading; of a name that is too long for the sheet, the beginning.
 * @param {Plot} plot @param {string} name @param {string} rest @param {number} top
 */
export function title(plot, name, rest, top) {
  const { pen, width } = plot;
  write(plot, 15, plot.inks.ink, "600");
  pen.textAlign = "left";
  let text = name + rest;
  for (let n = name.length - 1; n > 0 && pen.measureText(text).width > width; n--) text = `${name.slice(0, n)}…${rest}`;
  pen.fillText(text, 0, top);
}

/**
 * @param {Plot} plot @param {Channel} channel @param {number} top @param {number} height
 */
export function waveform(plot, channel, top, height) {
  const { pen, inks, left, width, from, to } = plot;
  const points = channel.envelope.map((one) => (Array.isArray(one) ? one : [-one, one]));
  const peak = points.reduce((most, [low, high]) => Math.max(most, -low, high), 1e-9);
  const middle = top + height / 2;
  pen.fillStyle = inks.ground;
  pen.fillRect(left, top, width, height);
  const step = 3;
  for (let x = 0; x + 2 <= width; x += step) {
    const first = Math.floor((x / width) * points.length);
    const last = Math.max(first + 1, Math.floor(((x + step) / width) * points.length));
    let [low, high] = [0, 0];
    for (const point of points.slice(first, last)) {
      low = Math.min(low, point[0]);
      high = Math.max(high, point[1]);
    }
    const one = at(channel.segments, from + ((x + step / 2) / width) * (to - from));
    const half = Math.max(0.75, ((height / 2 - 4) * Math.max(-low, high)) / peak);
    pen.fillStyle = colourOf(one?.emotion ?? null, inks.dark) ?? inks.rule;
    pen.beginPath();
    pen.roundRect(left + x, middle - half, 2, 2 * half, 1);
    pen.fill();
  }
}

/** @param {Prediction[]} predictions @param {number} time @returns {Prediction | undefined} what a time is in */
export function at(predictions, time) {
  return predictions.find((one) => one.start <= time && time < one.end);
}

/** What is said when, in words on colour. @param {Plot} plot @param {Prediction[]} segments @param {number} top */
export function strip(plot, segments, top) {
  const { pen, inks } = plot;
  for (const one of segments) {
    const x = xOf(plot, one.start);
    const width = Math.max(1, xOf(plot, one.end) - x - 1);
    pen.fillStyle = colourOf(one.emotion, inks.dark) ?? inks.ground;
    pen.beginPath();
    pen.roundRect(x, top, width, STRIP, 3);
    pen.fill();
    pen.textAlign = "center";
    // Where a word does not fit, it is written smaller, then shortened.
    for (const [size, text] of /** @type {[number, string][]} */ ([
      [12, one.label],
      [10, one.label],
      [10, one.label.slice(0, 3)],
    ])) {
      write(plot, size, one.emotion ? inkOn(one.emotion) : inks.soft, one.emotion ? "600" : "400");
      if (pen.measureText(text).width + 4 > width) continue;
      pen.fillText(text, x + width / 2, top + STRIP / 2 + 0.5);
      break;
    }
  }
}

/**
 * @typedef {{from: number, to: number, probabilities: Record<string, number>}} Step
 *
 * Windows overlap: each stands for the time that is nearer to its middle than to another's.
 * @param {Prediction[]} windows @param {number} duration @returns {Step[]}
 */
export function steps(windows, duration) {
  const middles = windows.map((one) => (one.start + one.end) / 2);
  return windows.map((one, i) => ({
    from: i === 0 ? 0 : (middles[i - 1] + middles[i]) / 2,
    to: i === windows.length - 1 ? duration : (middles[i] + middles[i + 1]) / 2,
    probabilities: one.probabilities,
  }));
}

/** @param {Plot} plot @param {Step[]} told @param {string[]} emotions @param {number} top */
export function lanes(plot, told, emotions, top) {
  const { pen, inks, left, width } = plot;
  emotions.forEach((emotion, i) => {
    const base = top + (i + 1) * LANE - 2;
    pen.fillStyle = inks.rule;
    pen.fillRect(left, base, width, 1);
    for (const step of told) {
      const height = (LANE - 3) * (step.probabilities[emotion] ?? 0);
      if (height < 0.3) continue;
      const x = Math.max(left, xOf(plot, step.from));
      const wide = Math.min(left + width, xOf(plot, step.to)) - x;
      pen.fillStyle = colourOf(emotion, inks.dark) ?? inks.faint;
      pen.fillRect(x, base - height, wide, height);
      if (height < 3) continue;
      pen.fillStyle = inks.soft;
      pen.fillRect(x, base - height, wide, 1);
    }
  });
}

/**
 * The names of the lanes, and what each is at the moment.
 * @param {Plot} plot @param {string[]} emotions @param {Record<string, number> | null} now @param {number} top
 */
export function names(plot, emotions, now, top) {
  const { pen, inks, left } = plot;
  const highest = now ? Math.max(...Object.values(now)) : 0;
  emotions.forEach((emotion, i) => {
    const middle = top + i * LANE + LANE / 2;
    const first = highest > 0 && now?.[emotion] === highest;
    pen.fillStyle = colourOf(emotion, inks.dark) ?? inks.faint;
    pen.beginPath();
    pen.roundRect(0, middle - 5, 10, 10, 2);
    pen.fill();
    write(plot, 12, first ? inks.ink : inks.soft, first ? "600" : "400");
    pen.textAlign = "left";
    pen.fillText(emotion, 16, middle);
    pen.textAlign = "right";
    if (now && left > 100) pen.fillText(percent(now[emotion] ?? 0), left - 8, middle);
  });
}

/** @param {Plot} plot @param {number} top @param {(seconds: number) => string} [label] */
export function axis(plot, top, label = clock) {
  const { pen, inks, from, to, left, width } = plot;
  const span = to - from;
  const every =
    [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((one) => (width * one) / span >= 56) ?? span;
  write(plot, 11, inks.soft);
  for (let time = Math.ceil(from / every) * every; time <= to + 1e-9; time += every) {
    const x = xOf(plot, time);
    pen.textAlign = x < left + 10 ? "left" : x > left + width - 14 ? "right" : "center";
    pen.fillStyle = inks.rule;
    pen.fillRect(Math.min(x, left + width - 1), top, 1, 4);
    pen.fillStyle = inks.soft;
    pen.fillText(every < 1 ? `${time.toFixed(1)} s` : label(time), x, top + 13);
  }
}

/** @param {Plot} plot @param {number} time @param {number} top @param {number} bottom */
export function cursor(plot, time, top, bottom) {
  plot.pen.fillStyle = plot.inks.ink;
  plot.pen.fillRect(xOf(plot, time) - 0.75, top, 1.5, bottom - top);
}

/**
 * Give a canvas its size on the screen, sharp on any of them.
 * @param {HTMLCanvasElement} canvas @param {number} width @param {number} height @param {number} [scale]
 * @returns {CanvasRenderingContext2D}
 */
export function sheet(canvas, width, height, scale = devicePixelRatio || 1) {
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

/** The picture of one channel: waveform, labels, lanes; a click seeks. */

/** @import { Channel, Timeline } from "./types.js" */
/** @import { Inks } from "./theme.js" */
import { make } from "./dom.js";
import { AXIS, LANE, at, axis, cursor, lanes, names, sheet, steps, strip, title, waveform } from "./paint.js";
import { PRINTED, inks } from "./theme.js";
import { told } from "./words.js";

/** How wide the names of the lanes are, with the percentage behind the longest in a wide font. */
const LEFT = 122;
const WAVE = 92;
const GAP = 8;

export class Figure {
  /**
   * @param {Timeline} timeline @param {Channel} channel
   * @param {Record<string, number> | null} whole what is told where no moment is shown
   * @param {(seconds: number) => void} seek
   */
  constructor(timeline, channel, whole, seek) {
    this.whole = whole;
    this.timeline = timeline;
    this.channel = channel;
    this.steps = steps(channel.windows, timeline.duration);
    /** @type {number | null} */
    this.time = null;
    const label = `${timeline.path}, ${channel.name}. ${told(channel.summary)}`;
    this.element = make("canvas", { class: "figure", role: "img", "aria-label": label });
    this.element.addEventListener("click", (event) => {
      const share = (event.offsetX - LEFT) / (this.element.clientWidth - LEFT);
      if (share >= 0) seek(Math.min(1, share) * timeline.duration);
    });
    this.painted = () => this.paint();
    this.observer = new ResizeObserver(this.painted);
    this.observer.observe(this.element);
    addEventListener("themechange", this.painted);
  }

  close() {
    this.observer.disconnect();
    removeEventListener("themechange", this.painted);
  }

  get height() {
    return WAVE + GAP + LANE + GAP + this.timeline.emotions.length * LANE + AXIS;
  }

  /** Show a moment; null shows the recording as a whole. @param {number | null} seconds */
  show(seconds) {
    this.time = seconds;
    this.paint();
  }

  paint() {
    const width = this.element.clientWidth;
    if (width) this.draw(sheet(this.element, width, this.height), width, inks());
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {Inks} colours */
  draw(pen, width, colours) {
    const { channel, timeline, time } = this;
    const plot = { pen, inks: colours, left: LEFT, width: width - LEFT, from: 0, to: timeline.duration };
    waveform(plot, channel, 0, WAVE);
    strip(plot, channel.segments, WAVE + GAP);
    const top = WAVE + GAP + LANE + GAP;
    lanes(plot, this.steps, timeline.emotions, top);
    names(plot, timeline.emotions, this.probabilities(), top);
    const bottom = top + timeline.emotions.length * LANE;
    axis(plot, bottom);
    if (time !== null) cursor(plot, time, 0, bottom);
  }

  /** @returns {Record<string, number> | null} at the moment that is shown */
  probabilities() {
    if (this.time === null) return this.whole;
    const time = this.time;
    return this.steps.find((step) => step.from <= time && time <= step.to)?.probabilities ?? null;
  }

  /** @param {number} time @returns {string} what is heard at a time, in a word */
  labelAt(time) {
    return at(this.channel.segments, time)?.label ?? "no speech";
  }
}

/** @param {Figure[]} figures of one recording @returns {Promise<Blob>} a PNG of them, in light colours */
export function picture(figures) {
  const width = 1000;
  const edge = 20;
  const each = figures[0].height + 40;
  const canvas = make("canvas");
  const height = 34 + each * figures.length + 26;
  const pen = sheet(canvas, width + 2 * edge, height + 2 * edge, 2);
  pen.fillStyle = PRINTED.paper;
  pen.fillRect(0, 0, width + 2 * edge, height + 2 * edge);
  pen.translate(edge, edge);
  const { path, model } = figures[0].timeline;
  const plot = { pen, inks: PRINTED, left: 0, width, from: 0, to: 1 };
  title(plot, path, `: emotions heard by the model ${model}`, 10);
  pen.translate(0, 34);
  for (const figure of figures) {
    const time = figure.time;
    figure.time = null;
    figure.draw(pen, width, PRINTED);
    figure.time = time;
    pen.fillStyle = PRINTED.soft;
    pen.textAlign = "left";
    pen.fillText(
      `${figures.length > 1 ? `${figure.channel.name}: ` : ""}${told(figure.channel.summary)}`,
      0,
      figure.height + 14,
    );
    pen.translate(0, each);
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be made."))), "image/png");
  });
}

/** One recording: what was heard in it, as a picture, as tables, to listen to and to keep. */

/** @import { Channel, Prediction, Result } from "./types.js" */
import { button, make } from "./dom.js";
import { Figure, picture } from "./figure.js";
import { Player } from "./player.js";
import { asCsv, asJson, nameFor, save } from "./saving.js";
import { Rows, chip } from "./tables.js";
import { clock, length, others, percent, ranked, said, told } from "./words.js";

/**
 * What stands for a recording in a line: its whole; of several channels, or where the whole is not known, the mean of
 * each channel's segments.
 * @param {Result} result @returns {[string, Prediction][]} by channel
 */
export function headlines({ timeline: { channels, emotions }, whole }) {
  if (whole && channels.length === 1) return [["", whole]];
  return channels.map((channel) => [channels.length === 1 ? "" : channel.name, mean(channel, emotions)]);
}

/** @param {Channel} channel @param {string[]} emotions @returns {Prediction} each segment counts by its length */
function mean({ segments, windows }, emotions) {
  const heard = segments.filter((one) => one.confidence > 0);
  // Where an emotion was named; where none was, why not.
  const named = heard.filter((one) => one.emotion !== null);
  const spoken = named.length ? named : heard;
  const total = spoken.reduce((sum, one) => sum + one.end - one.start, 0);
  const of = (/** @type {string} */ emotion) =>
    spoken.reduce((sum, one) => sum + ((one.end - one.start) / total) * (one.probabilities[emotion] ?? 0), 0);
  const probabilities = Object.fromEntries(emotions.map((emotion) => [emotion, of(emotion)]));
  const [emotion, confidence] = total ? ranked(probabilities)[0] : [null, 0];
  const none = named.length ? null : (heard[0]?.label ?? "no speech");
  return { ...windows[0], emotion: none ? null : emotion, label: none ?? emotion, confidence, probabilities };
}

/** @param {Result} result @returns {string} */
export function headlineWords(result) {
  return headlines(result)
    .map(([name, one]) => (name ? `${name}: ${said(one)}` : said(one)))
    .join("; ");
}

/**
 * @param {Result} result @param {Blob} sound @param {() => void} remove takes the result off the page
 * @returns {HTMLElement} what stands below the headline
 */
export function resultBody(result, sound, remove) {
  const { timeline } = result;
  const player = new Player(
    sound,
    (seconds, on) => moved(seconds, on),
    () => failed(),
  );
  const firsts = headlines(result);
  const figures = timeline.channels.map(
    (channel, i) => new Figure(timeline, channel, firsts[i][1].probabilities, (seconds) => player.seek(seconds)),
  );
  const play = (/** @type {Prediction} */ one) => player.play(one.start, one.end);
  const tables = timeline.channels.flatMap((channel) => {
    const of = timeline.channels.length > 1 ? `, ${channel.name}` : "";
    return [new Rows(`Segments${of}`, channel.segments, play), new Rows(`Windows${of}`, channel.windows, play)];
  });

  const toggle = button("Play", () => (player.on ? player.pause() : player.play()), { class: "strong toggle" });
  const slider = make("input", {
    type: "range",
    min: 0,
    max: timeline.duration,
    step: 0.05,
    value: 0,
    "aria-label": "Position",
  });
  const time = make("span", { class: "time" }, `0:00 / ${clock(timeline.duration)}`);
  slider.addEventListener("input", () => player.seek(Number(slider.value)));
  const note = make(
    "p",
    { class: "note", hidden: true },
    "This browser cannot play this format; the results stand all the same.",
  );

  /** @param {number} seconds @param {boolean} on */
  function moved(seconds, on) {
    toggle.textContent = on ? "Pause" : "Play";
    slider.value = String(seconds);
    slider.setAttribute(
      "aria-valuetext",
      `${clock(seconds)} of ${clock(timeline.duration)}, ${figures[0].labelAt(seconds)}`,
    );
    time.textContent = `${clock(seconds)} / ${clock(timeline.duration)}`;
    figures.forEach((figure) => figure.show(seconds));
    tables.forEach((table) => table.mark(on || seconds > 0 ? seconds : null));
  }
  function failed() {
    note.hidden = false;
    toggle.disabled = slider.disabled = true;
  }

  const body = make("div", { class: "body" });
  timeline.channels.forEach((channel, i) => {
    if (timeline.channels.length > 1) body.append(make("h3", {}, channel.name));
    body.append(figures[i].element, make("p", { class: "summary" }, told(channel.summary)));
  });
  body.append(make("div", { class: "player" }, toggle, slider, time), note);
  tables.forEach((table, i) => {
    if (i % 2 === 0) body.append(table.element);
    else body.append(make("details", {}, make("summary", {}, "All windows"), table.element));
  });
  const keep = (/** @type {string} */ ending, /** @type {() => Blob | Promise<Blob>} */ blob) =>
    button(ending.toUpperCase(), async () => save(await blob(), nameFor(timeline.path, ending)), {
      "aria-label": `Save as ${ending.toUpperCase()}`,
    });
  body.append(
    make(
      "p",
      { class: "actions keep" },
      make("span", { class: "note" }, "Save as"),
      keep("json", () => asJson(result)),
      keep("csv", () => asCsv(result)),
      keep("png", () => picture(figures)),
      button(
        "Remove",
        () => {
          player.close();
          figures.forEach((figure) => figure.close());
          remove();
        },
        { class: "quiet", "aria-label": `Remove ${timeline.path}` },
      ),
    ),
  );
  return body;
}

/** @param {Result} result @returns {HTMLElement} the headline in a line */
export function headlineOf(result) {
  const line = make("span", { class: "headline" });
  const all = headlines(result);
  for (const [name, one] of all) {
    const of = make("span", { class: "of" });
    if (name) of.append(make("span", { class: "note" }, name));
    of.append(chip(one));
    if (one.emotion !== null) of.append(make("b", {}, percent(one.confidence)));
    line.append(of);
    if (all.length === 1) line.append(make("span", { class: "note then" }, others(one)));
  }
  line.append(make("span", { class: "note" }, length(result.timeline.duration)));
  return line;
}

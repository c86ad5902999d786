/** The engine behind HTTP and a WebSocket. */

/** @import { Card, Channel, Engine, LiveHandlers, LiveStream, Options, Result, Timeline } from "./types.js" */
import { decode } from "./decode.js";
import { envelopeOf } from "./envelope.js";
import { remember, remembered } from "./storage.js";
import { Problem } from "./types.js";

const TOKEN = "vocalics-token";
const SENT_TWICE = 8e6; // bytes: a file up to here is judged as a whole, too

/** @implements {Engine} */
export class ServerEngine {
  /**
   * @param {{api: string}} config
   * @param {(refused: boolean) => Promise<string | null>} askForToken what asks for a token when the server wants one
   */
  constructor(config, askForToken) {
    this.local = false;
    this.api = new URL(config.api, document.baseURI);
    this.askForToken = askForToken;
  }

  /** @returns {Promise<Card[]>} */
  async models() {
    return (await this.json("models")).models;
  }

  /** @param {string} name @returns {Promise<Card>} */
  card(name) {
    return this.json(`models/${encodeURIComponent(name)}`);
  }

  /** @param {File} file @param {Options} options @returns {Promise<Result>} */
  async analyse(file, { model, window, hop }) {
    const query = new URLSearchParams({ model });
    const whole = file.size <= SENT_TWICE ? (await this.json(`predict?${query}`, file)).predictions[0] : null;
    if (window !== null) query.set("window", String(window));
    if (hop !== null) query.set("hop", String(hop));
    const timeline = await this.json(`timeline?${query}`, file);
    await refine(timeline, file);
    return { timeline: told(timeline, file.name), whole: whole && { ...whole, path: file.name } };
  }

  /** @param {number} rate @param {Options} options @param {LiveHandlers} handlers @returns {Promise<LiveStream>} */
  live(rate, { model, window, hop, adapt }, handlers) {
    const address = new URL("stream", this.api);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    let told = false; // the end, or what went wrong
    return new Promise((resolve, reject) => {
      let open = false;
      const fail = (/** @type {Problem} */ problem) => {
        if (told) return;
        told = true;
        socket.close();
        if (open) handlers.error(problem);
        else reject(problem);
      };
      socket.onopen = () => {
        const asked = { sample_rate: rate, format: "float32", channels: 1, window, hop, model, token: token(), max_lag: 0.5 };
        const given = Object.entries({ ...asked, adapt: adapt || null }).filter(([, value]) => value !== null && value !== "");
        socket.send(JSON.stringify(Object.fromEntries(given)));
      };
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "ready") {
          open = true;
          resolve({
            emotions: message.emotions,
            feed: (samples) => {
              if (socket.readyState === WebSocket.OPEN)
                socket.send(/** @type {ArrayBufferView<ArrayBuffer>} */ (samples));
            },
            finish: () => {
              if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "end" }));
            },
          });
        } else if (message.type === "prediction") {
          handlers.prediction(message);
        } else if (message.type === "error") {
          fail(new Problem(message.title, message.detail, message.status ?? 0));
        } else if (message.type === "end" && !told) {
          told = true;
          socket.close();
          handlers.end();
        }
      };
      socket.onclose = () =>
        fail(new Problem("The connection was closed", "The server ended it, or cannot be reached."));
    });
  }

  /**
   * @param {string} path below the interface's address
   * @param {File} [body]
   * @returns {Promise<any>}
   */
  async json(path, body) {
    for (let refused = false; ; refused = true) {
      const answer = await this.fetched(path, body);
      if (answer.ok) return answer.json();
      const problem = await problemOf(answer);
      if (answer.status !== 401) throw problem;
      const given = await this.askForToken(refused);
      if (!given) throw problem;
      remember(() => sessionStorage, TOKEN, given);
    }
  }

  /** @param {string} path @param {File} [body] @returns {Promise<Response>} */
  async fetched(path, body) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (token()) headers.Authorization = `Bearer ${token()}`;
    if (body) headers["Content-Type"] = "application/octet-stream";
    try {
      return await fetch(new URL(path, this.api), { method: body ? "POST" : "GET", headers, body });
    } catch {
      throw new Problem("The server cannot be reached", "Is it running, and are you still connected? Then try again.");
    }
  }
}

/**
 * Segments and windows as predictions: a timeline says what is the same for all of them only once.
 * @param {any} timeline @param {string} path @returns {Timeline}
 */
function told(timeline, path) {
  const { model } = timeline;
  const full = (/** @type {any} */ one) => ({ path, model, ...one });
  const channels = timeline.channels.map((/** @type {Channel} */ one) => ({
    ...one,
    segments: one.segments.map(full),
    windows: one.windows.map(full),
  }));
  return { ...timeline, path, channels };
}

/**
 * Draw the waveform finer than the server tells it, where this browser can decode the file.
 * @param {any} timeline @param {File} file
 */
async function refine(timeline, file) {
  if (file.size > SENT_TWICE) return;
  try {
    const { channels } = await decode(file);
    const number = { left: 0, mono: 0, right: 1 };
    for (const one of timeline.channels) {
      const which = number[/** @type {"left"} */ (one.name)] ?? Number(one.name.replace("channel ", "")) - 1;
      if (channels[which]) one.envelope = envelopeOf(channels[which]);
    }
  } catch {
    // The server decodes more than a browser: its own outline is good enough.
  }
}

/** @returns {string} */
function token() {
  return remembered(() => sessionStorage, TOKEN) ?? "";
}

/** @param {Response} answer @returns {Promise<Problem>} from problem+json, or whatever came */
async function problemOf(answer) {
  try {
    const { title, detail } = await answer.json();
    if (title || detail) return new Problem(title ?? "The server refused", sentence(detail ?? ""), answer.status);
  } catch {
    // No JSON: a proxy's page, or nothing.
  }
  return new Problem("The server refused", `It answered ${answer.status} ${answer.statusText}.`, answer.status);
}

/** @param {string} detail @returns {string} without what the server calls a file whose name it was not told */
function sentence(detail) {
  const own = detail.replace(/^audio bytes: /, "");
  return own.charAt(0).toUpperCase() + own.slice(1);
}

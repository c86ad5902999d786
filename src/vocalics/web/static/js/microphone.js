/** The microphone, as pieces of samples. */

import { Problem } from "./types.js";

export class Microphone {
  /** @param {MediaStream} media @param {AudioContext} context @param {(samples: Float32Array) => void} heard */
  constructor(media, context, heard) {
    this.media = media;
    this.context = context;
    this.rate = context.sampleRate;
    this.source = context.createMediaStreamSource(media);
    /** @type {() => void} called when it is unplugged, or taken away */
    this.lost = () => {};
    for (const track of media.getTracks()) track.addEventListener("ended", () => this.lost());
    this.capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    this.capture.port.onmessage = ({ data }) => heard(data);
    this.source.connect(this.capture);
  }

  /**
   * Ask for the microphone and start. The browser's own cleaning is turned off: models know voices without it.
   * @param {(samples: Float32Array) => void} heard
   * @returns {Promise<Microphone>}
   */
  static async open(heard) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Problem("No microphone", "Browsers give it to pages over https or on this machine (localhost) only.");
    }
    let media;
    try {
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      media = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      const name = error instanceof DOMException ? error.name : "";
      if (name === "NotAllowedError") {
        throw new Problem(
          "No microphone",
          "It was not allowed. Allow it in the browser's address bar, then try again.",
        );
      }
      throw new Problem("No microphone", name === "NotFoundError" ? "None was found. Plug one in." : String(error));
    }
    const context = new AudioContext();
    try {
      await context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url));
      await context.resume();
      return new Microphone(media, context, heard);
    } catch (error) {
      // Nobody else holds it: it would stay open, and the browser would show so.
      media.getTracks().forEach((track) => track.stop());
      await context.close();
      throw error;
    }
  }

  async close() {
    this.source.disconnect();
    this.capture.port.onmessage = null;
    this.media.getTracks().forEach((track) => track.stop());
    await this.context.close();
  }
}

/** @param {Float32Array} samples @returns {number} the level, 0 (60 dB below full scale, or less) to 1 */
export function levelOf(samples) {
  const power = samples.reduce((sum, value) => sum + value * value, 0) / (samples.length || 1);
  return Math.max(0, Math.min(1, 1 + (10 * Math.log10(power + 1e-12)) / 60));
}

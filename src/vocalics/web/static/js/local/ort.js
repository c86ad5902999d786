/** A model's graph in onnxruntime-web, on one thread: needs no header of the server that the files come from. */

/** @import { Card } from "../types.js" */
/** @import { Run } from "./recognizer.js" */
import { required } from "./graph.js";

/**
 * @typedef {Object} Bundled
 * @property {string} name
 * @property {string} file address of the .onnx, relative to the page
 * @property {Card} card
 * @property {number} voice_width how many numbers it knows of a voice; 0 where it gets used to none
 */

/**
 * @param {Bundled} model
 * @param {string} page the page's address
 * @param {string} runtime address of the runtime's folder, relative to the page
 * @returns {Promise<Run>}
 */
export async function open(model, page, runtime) {
  const folder = new URL(runtime, page);
  const ort = await import(new URL("ort.wasm.bundle.min.mjs", folder).href);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", folder).href };
  ort.env.logLevel = "error";
  const answer = await fetch(new URL(model.file, page));
  if (!answer.ok) throw new Error(`The model's file ${model.file} is not there (${answer.status}).`);
  const width = model.voice_width;
  const file = new Uint8Array(await answer.arrayBuffer());
  const bytes = width ? required(file, "voice") : file;
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const unknown = new Float32Array(width);
  return async (samples, voice) => {
    const given = { waveform: new ort.Tensor("float32", samples, [1, samples.length]) };
    const known = width ? { voice: new ort.Tensor("float32", voice ?? unknown, [width]) } : {};
    const result = await session.run({ ...given, ...known });
    const probabilities = Array.from(/** @type {Float32Array} */ (result.probabilities.data));
    if (probabilities.length !== model.card.emotions.length || !probabilities.every(Number.isFinite)) {
      throw new Error(`The model ${model.name} gave ${probabilities} instead of probabilities.`);
    }
    return {
      probabilities,
      strangeness: result.strangeness ? result.strangeness.data[0] : null,
      left: result.voice_left ? Float32Array.from(result.voice_left.data) : null,
    };
  };
}

/** An ONNX file changed byte by byte, as protobuf lays it out (onnx.proto). */

const GRAPH = 7; // of a model
const INITIALIZER = 5; // of a graph
const NAME = 8; // of a tensor
const UNUSED = 3; // of a graph: what no reader knows it passes over
const SIZED = 2; // how a text, a message or bytes are written

/**
 * Have a graph's input given every time that may be left out otherwise: the runtime for browsers feeds no other.
 * @param {Uint8Array} bytes an ONNX file
 * @param {string} name of the input
 * @returns {Uint8Array} a copy without the value that the input had by itself
 */
export function required(bytes, name) {
  const made = bytes.slice();
  for (const graph of fields(bytes, 0, bytes.length)) {
    if (graph.number !== GRAPH) continue;
    for (const one of fields(bytes, graph.start, graph.end)) {
      if (one.number === INITIALIZER && nameOf(bytes, one) === name) made[one.at] = (UNUSED << 3) | SIZED;
    }
  }
  return made;
}

/** @typedef {{at: number, number: number, start: number, end: number}} Field where it begins, and what it holds */

/** @param {Uint8Array} bytes @param {Field} tensor @returns {string} */
function nameOf(bytes, tensor) {
  for (const { number, start, end } of fields(bytes, tensor.start, tensor.end)) {
    if (number === NAME) return new TextDecoder().decode(bytes.subarray(start, end));
  }
  return "";
}

/**
 * The sized fields of a message.
 * @param {Uint8Array} bytes @param {number} at @param {number} end
 * @returns {Generator<Field>}
 */
function* fields(bytes, at, end) {
  while (at < end) {
    const [tag, behind] = whole(bytes, at);
    const kind = tag % 8;
    if (kind === SIZED) {
      const [size, start] = whole(bytes, behind);
      yield { at, number: Math.floor(tag / 8), start, end: start + size };
      at = start + size;
    } else if (kind === 0) {
      at = whole(bytes, behind)[1];
    } else if (kind === 1 || kind === 5) {
      at = behind + (kind === 1 ? 8 : 4);
    } else {
      throw new Error("This is no ONNX file.");
    }
  }
}

/** A number of protobuf's, and where it ends. @param {Uint8Array} bytes @param {number} at @returns {[number, number]} */
function whole(bytes, at) {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, at + i + 1];
  }
  throw new Error("This is no ONNX file.");
}

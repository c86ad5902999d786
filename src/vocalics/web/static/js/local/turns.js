/** One thing at a time, for many who ask: who asks first is served first. */

export class Turns {
  constructor() {
    /** @type {Promise<unknown>} */
    this.last = Promise.resolve();
  }

  /**
   * @template T
   * @param {() => Promise<T> | T} action
   * @returns {Promise<T>} what it gives, once all that was asked for before is done
   */
  take(action) {
    const done = this.last.then(action);
    // What came in meanwhile has its turn before those who ask again: messages are not heard while promises go on.
    this.last = done.then(pause, pause);
    return done;
  }
}

/** @returns {Promise<void>} after the messages that wait; a timer would let 4 ms pass as well */
function pause() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

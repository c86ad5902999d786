/** On the audio thread: hands the microphone's samples over, averaged over channels, in pieces of about 0.1 s. */

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.held = new Float32Array(Math.max(128, Math.round(sampleRate / 10 / 128) * 128));
    this.count = 0;
  }

  /** @param {Float32Array[][]} inputs @returns {boolean} */
  process([channels]) {
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.held[this.count++] = sum / channels.length;
    }
    if (this.count >= this.held.length) {
      this.port.postMessage(this.held.slice(0, this.count));
      this.count = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);

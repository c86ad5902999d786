/**
 * The words that the modules share. An engine answers with these, be it a server or the browser itself.
 *
 * @typedef {Object} Prediction
 * @property {string} path
 * @property {number} start in seconds
 * @property {number} end in seconds
 * @property {string | null} emotion null where none is named
 * @property {string} label the emotion, or "no speech", "unsure" or "unfamiliar"
 * @property {number} confidence
 * @property {Record<string, number>} probabilities
 * @property {string} model
 * @property {string[]} [candidates]
 * @property {number | null} [strangeness]
 *
 * @typedef {Object} Summary
 * @property {number} speech_seconds
 * @property {Record<string, number>} shares of the speech, by emotion
 * @property {number} changes
 * @property {Prediction[]} strongest
 *
 * @typedef {Object} Channel
 * @property {string} name
 * @property {Summary} summary
 * @property {Prediction[]} segments
 * @property {Prediction[]} windows
 * @property {(number | [number, number])[]} envelope heights of equal parts of the recording, or lows and highs
 *
 * @typedef {Object} Timeline
 * @property {string} path
 * @property {number} duration
 * @property {string} model
 * @property {string[]} emotions
 * @property {Channel[]} channels
 *
 * @typedef {Object} Result
 * @property {Timeline} timeline
 * @property {Prediction | null} whole the recording in one; null where it is too long to be sent twice
 *
 * @typedef {Object} Shown
 * @property {string | null} emotion
 * @property {string} label the emotion, or why there is none
 * @property {number} confidence
 * @property {Record<string, number>} probabilities smoothed
 * @property {number} since
 * @property {boolean} changed
 *
 * @typedef {Prediction & {shown: Shown}} LivePrediction
 *
 * @typedef {Record<string, any>} Card all that is known about a model
 *
 * @typedef {Object} LiveHandlers
 * @property {(prediction: LivePrediction) => void} prediction
 * @property {(error: Problem) => void} error
 * @property {() => void} end
 *
 * @typedef {Object} LiveStream
 * @property {string[]} emotions
 * @property {(samples: Float32Array) => void} feed
 * @property {() => void} finish
 *
 * @typedef {Object} Options
 * @property {string} model
 * @property {number | null} window in seconds; the model's own where null
 * @property {number | null} hop in seconds; the model's own where null
 * @property {boolean} adapt whether a stream's voice is got used to; where the engine offers it
 *
 * @typedef {Object} Engine
 * @property {boolean} local whether the sound stays in this browser
 * @property {() => Promise<Card[]>} models
 * @property {(name: string) => Promise<Card>} card
 * @property {(file: File, options: Options, progress: (share: number) => void) => Promise<Result>} analyse
 * @property {(rate: number, options: Options, handlers: LiveHandlers) => Promise<LiveStream>} live
 */

/** Something went wrong, in words: a title, and what to do about it. */
export class Problem extends Error {
  /**
   * @param {string} title
   * @param {string} [detail]
   * @param {number} [status] of an HTTP answer
   */
  constructor(title, detail = "", status = 0) {
    super(detail ? `${title}: ${detail}` : title);
    this.title = title;
    this.detail = detail;
    this.status = status;
  }

  /** @param {unknown} error @returns {Problem} */
  static from(error) {
    if (error instanceof Problem) return error;
    return new Problem("That did not work", error instanceof Error ? error.message : String(error));
  }
}

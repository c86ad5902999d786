/** Plays a recording, a stretch of it, and tells where it is. */

/** @type {Player | null} one plays at a time */
let playing = null;

export class Player {
  /** @param {Blob} sound @param {(seconds: number, playing: boolean) => void} moved @param {() => void} failed */
  constructor(sound, moved, failed) {
    this.address = URL.createObjectURL(sound);
    this.audio = new Audio(this.address);
    this.audio.preload = "metadata";
    this.moved = moved;
    /** @type {number | null} */
    this.until = null;
    this.audio.addEventListener("error", failed);
    for (const event of ["play", "pause", "seeked", "ended"]) this.audio.addEventListener(event, () => this.tell());
    this.audio.addEventListener("play", () => this.follow());
  }

  get on() {
    return !this.audio.paused;
  }

  /** @param {number} [from] in seconds; where it is if left out @param {number | null} [until] */
  play(from, until = null) {
    if (playing !== this) playing?.pause();
    playing = this;
    if (from !== undefined) this.audio.currentTime = from;
    this.until = until;
    this.audio.play().catch(() => {}); // what cannot be played says so by its "error"
  }

  pause() {
    this.audio.pause();
  }

  /** @param {number} seconds */
  seek(seconds) {
    this.until = null;
    this.audio.currentTime = seconds;
    this.tell();
  }

  follow() {
    if (!this.on) return;
    if (this.until !== null && this.audio.currentTime >= this.until) this.pause();
    this.tell();
    requestAnimationFrame(() => this.follow());
  }

  tell() {
    this.moved(this.audio.currentTime, this.on);
  }

  close() {
    this.pause();
    URL.revokeObjectURL(this.address);
  }
}

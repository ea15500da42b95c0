// Every drawing since the page was opened, so that each step can be undone: states are never changed, only replaced.

import { keep, kept } from "./memory.js";

/** @typedef {[number, number][]} Stroke points in 0…1 from the top left corner */
/** @typedef {{bitmap: ImageBitmap, answer: import("./engine.js").Answer}} Picture */
/** @typedef {{strokes: Stroke[], picture: Picture | null}} State */

/** @type {State} */
const EMPTY = { strokes: [], picture: null };

export class History {
  #states = [EMPTY];
  #at = 0;

  constructor() {
    const strokes = kept("strokes", []);
    if (strokes.length) this.push({ strokes, picture: null });
  }

  get current() {
    return this.#states[this.#at];
  }

  get isEmpty() {
    return !this.current.picture && this.current.strokes.length === 0;
  }

  get canUndo() {
    return this.#at > 0;
  }

  get canRedo() {
    return this.#at < this.#states.length - 1;
  }

  /** @param {State} state */
  push(state) {
    this.#states.splice(this.#at + 1, Infinity, state);
    this.#move(1);
  }

  clear() {
    if (!this.isEmpty) this.push(EMPTY);
  }

  undo() {
    if (this.canUndo) this.#move(-1);
  }

  redo() {
    if (this.canRedo) this.#move(1);
  }

  #move(step) {
    this.#at += step;
    keep("strokes", this.current.strokes);
  }
}

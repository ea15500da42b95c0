// What the network says: the class it read, or that it is not sure.

import { byId } from "./dom.js";
import { percent } from "./numbers.js";

const QUIET = 600; // milliseconds without change after which the answer is read out

export class Answer {
  #classes;
  #glyph = byId("glyph");
  #verdict = byId("verdict");
  #spoken = byId("spoken");
  #speaking = 0;

  /** @param {string[]} classes */
  constructor(classes) {
    this.#classes = classes;
  }

  /** @param {{sure: boolean, probabilities: Float32Array} | null} answer */
  show(answer) {
    this.#glyph.classList.toggle("sure", Boolean(answer?.sure));
    this.#glyph.textContent = "";
    this.#verdict.textContent = "";
    clearTimeout(this.#speaking);
    if (!answer) {
      this.#spoken.textContent = "";
      return;
    }
    const { sure, probabilities } = answer;
    const first = this.#classes[ranking(probabilities)[0]];
    const most = percent(Math.max(...probabilities));
    this.#glyph.textContent = sure ? first : "?";
    this.#verdict.textContent = sure ? most : ["Not sure", this.#guess(probabilities)].filter(Boolean).join(": perhaps ");
    const spoken = sure ? `${first}, ${most}` : this.#verdict.textContent;
    this.#speaking = setTimeout(() => (this.#spoken.textContent = spoken), QUIET);
  }

  /** The likeliest one or two classes, if they are at least twice as likely as by chance: else naming them misleads. */
  #guess(probabilities) {
    const likely = ranking(probabilities).filter((index) => probabilities[index] * probabilities.length >= 2);
    return likely.slice(0, 2).map((index) => this.#classes[index]).join(" or ");
  }
}

/** The classes from the most probable down; of equals, the first. */
export function ranking(probabilities) {
  return [...probabilities.keys()].sort((one, other) => probabilities[other] - probabilities[one] || one - other);
}

// The terms of a sum as a list: the largest first, each with a bar in the colours of its sign, and what was multiplied.

import { color } from "./colors.js";
import { element } from "./dom.js";
import { short } from "./numbers.js";

const FIRST = 8; // terms shown unasked
const MORE = 100; // and at each asking

export class List {
  element = element("div", { className: "terms" });
  #step;
  #button;
  #written;
  #count = FIRST;

  /** @param {import("./engine.js").Origin} step @param {(figure: import("./engine.js").Figure) => HTMLElement} button
   *  @param {(figure: import("./engine.js").Figure) => string} written */
  constructor(step, button, written) {
    this.#step = step;
    this.#button = button;
    this.#written = written;
    this.#fill();
  }

  #fill() {
    const { terms, count, rest } = this.#step;
    const sizes = terms.map(([value]) => Math.abs(value)).filter(Number.isFinite);
    const limit = Math.max(...sizes, 0) || 1;
    const shown = terms.slice(0, this.#count);
    const hidden = terms.slice(this.#count);
    this.element.replaceChildren(...shown.map(([value, reads]) => this.#row(value, reads, limit)));
    if (count === shown.length) return;
    const together = hidden.reduce((sum, [value]) => sum + Number(value), Number(rest));
    const text = `… and ${count - shown.length} more, together ${short(together)}`;
    const more = element("button", { className: "more", textContent: text, disabled: hidden.length === 0 });
    more.addEventListener("click", () => {
      this.#count += MORE;
      this.#fill();
    });
    this.element.append(more);
  }

  #row(value, reads, limit) {
    const share = Number.isFinite(value) ? value / limit : 1;
    const bar = element("i");
    bar.style.width = `${100 * Math.abs(share)}%`;
    bar.style.backgroundColor = color(share);
    const parts = reads.flatMap((figure, number) => [
      number ? (isProduct(value, reads) ? " · " : ", ") : "",
      this.#button(figure),
      element("span", { className: "where", textContent: ` ${this.#written(figure)}` }),
    ]);
    return element(
      "p",
      {},
      element("span", { className: "track" }, bar),
      element("b", { textContent: typeof value === "number" ? short(value) : value }),
      element("span", { className: "made" }, ...parts),
    );
  }
}

/** Whether a term is the product of what it was computed from. */
function isProduct(value, reads) {
  const product = reads.reduce((all, [, , number]) => all * number, 1);
  return Math.abs(product - value) <= 1e-5 * Math.abs(value);
}

// The last layer: one bar for each class.

import { color } from "./colors.js";
import { element } from "./dom.js";
import { caption } from "./figure.js";
import { full, percent } from "./numbers.js";
import { Readout } from "./readout.js";

export class Probabilities {
  #readout = new Readout();
  #element;
  #rows;
  #tensor = null;
  #pointed = null;
  #picked = null;

  /** @param {HTMLElement} parent @param {import("./engine.js").Layer} layer @param {string[]} classes
   *  @param {(cell: import("./tensor.js").Cell | null) => void} onPick */
  constructor(parent, layer, classes, onPick) {
    this.#rows = classes.map((label, channel) => {
      const bar = element("i");
      const number = element("span", { className: "number" });
      const row = element(
        "button",
        { className: "row" },
        element("span", { className: "label", textContent: label }),
        element("span", { className: "track" }, bar),
        number,
      );
      row.addEventListener("pointerenter", () => this.#point(channel));
      row.addEventListener("pointerleave", () => this.#point(null));
      row.addEventListener("focus", () => this.#point(channel));
      row.addEventListener("blur", () => this.#point(null));
      row.addEventListener("click", () => onPick(this.#picked === channel ? null : { channel }));
      return { row, bar, number, label };
    });
    const list = element("div", { className: "bars" }, ...this.#rows.map(({ row }) => row), this.#readout.element);
    this.#element = element("figure", {}, caption(layer), list);
    parent.append(this.#element);
    this.repaint();
  }

  /** @param {import("./tensor.js").Tensor | null} tensor */
  show(tensor) {
    this.#tensor = tensor;
    this.repaint();
  }

  /** @param {import("./tensor.js").Cell | null} cell */
  select(cell) {
    this.#picked = cell && cell.channel < this.#rows.length ? cell.channel : null;
    this.repaint();
  }

  reveal() {
    this.#element.scrollIntoView({ block: "nearest" });
  }

  repaint() {
    this.#rows.forEach(({ row, bar, number, label }, channel) => {
      const probability = this.#tensor ? this.#tensor.at({ channel }) : 0;
      bar.style.transform = `scaleX(${probability})`;
      bar.style.backgroundColor = color(probability);
      number.textContent = this.#tensor ? percent(probability) : "";
      row.title = this.#tensor ? full(probability) : "";
      row.ariaLabel = this.#tensor ? `${label}: ${percent(probability)}` : label;
      row.ariaPressed = String(channel === this.#picked);
      row.classList.toggle("first", probability > 0 && probability === this.#tensor?.limit);
    });
    this.#mark();
  }

  #point(channel) {
    this.#pointed = channel;
    this.#mark();
  }

  #mark() {
    const channel = this.#pointed ?? this.#picked;
    this.#readout.show(this.#tensor, channel === null ? null : { channel, row: 0, column: 0 });
  }
}

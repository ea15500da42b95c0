// The five likeliest classes, each a bar.

import { ranking } from "./answer.js";
import { color } from "./colors.js";
import { element } from "./dom.js";
import { full, percent } from "./numbers.js";

const SHOWN = 5;

export class Likeliest {
  #classes;
  #rows;
  #probabilities = null;

  /** @param {HTMLElement} parent @param {string[]} classes @param {(channel: number) => void} onPick */
  constructor(parent, classes, onPick) {
    this.#classes = classes;
    this.#rows = Array.from({ length: Math.min(SHOWN, classes.length) }, () => {
      const [label, number, bar] = [element("span", { className: "label" }), element("span"), element("i")];
      number.className = "number";
      const track = element("span", { className: "track" }, bar);
      const row = element("button", { className: "row" }, label, number, track);
      const item = { row, label, number, bar, channel: 0 };
      row.addEventListener("click", () => onPick(item.channel));
      return item;
    });
    parent.append(element("div", { className: "bars" }, ...this.#rows.map(({ row }) => row)));
    this.show(null);
  }

  /** @param {Float32Array | null} probabilities */
  show(probabilities) {
    this.#probabilities = probabilities;
    this.repaint();
  }

  repaint() {
    const order = this.#probabilities ? ranking(this.#probabilities) : [];
    this.#rows.forEach((item, place) => {
      const { row, label, number, bar } = item;
      row.hidden = !this.#probabilities;
      if (row.hidden) return;
      item.channel = order[place];
      const probability = this.#probabilities[item.channel];
      label.textContent = this.#classes[item.channel];
      number.textContent = percent(probability);
      row.title = `${label.textContent}: ${full(probability)}`;
      row.ariaLabel = `${label.textContent}: ${number.textContent}`;
      row.classList.toggle("first", place === 0);
      bar.style.transform = `scaleX(${probability})`;
      bar.style.backgroundColor = color(probability);
    });
  }
}

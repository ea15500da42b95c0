// Which of a layer's maps are shown: all, or one helping of them after the other.

import { element } from "./dom.js";

export class Window {
  #channels;
  #turned = [];
  first = 0;

  /** @param {number} channels @param {number} most maps that are shown at once */
  constructor(channels, most = channels) {
    this.#channels = channels;
    this.most = Math.min(channels, most);
  }

  get count() {
    return Math.min(this.most, this.#channels - this.first);
  }

  has(channel) {
    return channel >= this.first && channel < this.first + this.count;
  }

  /** Calls back whenever other maps are shown. */
  onTurn(callback) {
    this.#turned.push(callback);
  }

  /** Turn to the helping with this map. */
  show(channel) {
    if (this.has(channel)) return;
    this.first = channel - (channel % this.most);
    for (const callback of this.#turned) callback();
  }

  /** What turns it, for a reader: nothing where all is shown at once. */
  turner() {
    if (this.most === this.#channels) return "";
    const text = element("span", { role: "status" });
    const button = (label, symbol, step) =>
      element("button", {
        textContent: symbol,
        ariaLabel: label,
        title: label,
        onclick: () => this.show(this.first + step),
      });
    const back = button("Previous maps", "‹", -this.most);
    const on = button("Next maps", "›", this.most);
    const refresh = () => {
      text.textContent = `maps ${this.first}–${this.first + this.count - 1} of ${this.#channels}`;
      back.disabled = this.first === 0;
      on.disabled = this.first + this.count === this.#channels;
    };
    refresh();
    this.onTurn(refresh);
    return element("p", { className: "turner" }, back, text, on);
  }
}

// The number under the pointer in full, and the colour scale that it was painted with.

import { pixel } from "./colors.js";
import { element } from "./dom.js";
import { full, short } from "./numbers.js";

const SHADES = 129;

export class Readout {
  #index = element("span", { className: "index" });
  #value = element("b");
  #least = element("span");
  #greatest = element("span");
  #scale = element("canvas", { width: SHADES, height: 1 });
  element = element(
    "div",
    { className: "readout" },
    element("p", { role: "status" }, this.#index, " ", this.#value),
    element("p", { className: "scale" }, this.#least, this.#scale, this.#greatest),
  );

  /** @param {import("./tensor.js").Tensor | null} tensor @param {import("./tensor.js").Cell | null} cell */
  show(tensor, cell) {
    const shown = tensor && cell;
    this.element.classList.toggle("shown", Boolean(shown));
    if (!shown) return;
    const whole = cell.row === undefined;
    this.#index.textContent = whole ? `map ${cell.channel}` : tensor.indexOf(cell);
    this.#value.textContent = whole ? "" : full(tensor.at(cell));
    this.#least.textContent = tensor.signed ? short(-tensor.limit) : "0";
    this.#greatest.textContent = short(tensor.limit);
    this.#paintScale(tensor.signed);
  }

  #paintScale(signed) {
    const image = new ImageData(SHADES, 1);
    const pixels = new Uint32Array(image.data.buffer);
    for (let shade = 0; shade < SHADES; shade += 1) {
      const share = shade / (SHADES - 1);
      pixels[shade] = pixel(signed ? 2 * share - 1 : share);
    }
    this.#scale.getContext("2d").putImageData(image, 0, 0);
  }
}

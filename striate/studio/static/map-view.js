// A canvas of maps that knows which cell the pointer is on, and can put a ring around a map or a cell.

import { cellAt, extent, paint, tileAt } from "./maps.js";
import { element } from "./dom.js";

/** @typedef {import("./tensor.js").Cell} Cell */

export class MapView {
  #ring = element("div", { className: "ring", hidden: true });
  /** @type {import("./maps.js").Arrangement} */
  #arrangement;

  /** @param {{label: string, onPoint: (cell: Cell | null) => void, onPick: (cell: Cell) => void}} options */
  constructor({ label, onPoint, onPick }) {
    this.canvas = element("canvas", { tabIndex: 0, role: "application", ariaLabel: label });
    this.element = element("div", { className: "maps" }, this.canvas, this.#ring);
    this.canvas.addEventListener("pointermove", (event) => onPoint(this.#cell(event)));
    this.canvas.addEventListener("pointerleave", () => onPoint(null));
    this.canvas.addEventListener("blur", () => onPoint(null));
    this.canvas.addEventListener("click", (event) => {
      const cell = this.#cell(event);
      if (cell) onPick(cell);
    });
  }

  /** @param {import("./maps.js").Arrangement} arrangement */
  arrange(arrangement) {
    this.#arrangement = arrangement;
    const { width, height } = extent(arrangement);
    this.canvas.style.width = `${width / devicePixelRatio}px`;
    this.canvas.style.height = `${height / devicePixelRatio}px`;
  }

  get columns() {
    return this.#arrangement.columns;
  }

  /** @param {import("./maps.js").Tensor | null} tensor */
  paint(tensor) {
    paint(this.canvas, this.#arrangement, tensor);
  }

  /** Give the picture's memory back; its place stays. */
  free() {
    Object.assign(this.canvas, { width: 0, height: 0 });
  }

  /** The place of a map or a cell on the page, in CSS pixels from the corner of this view. @param {Cell} cell */
  rectangle(cell) {
    const { x, y, width, height } = tileAt(this.#arrangement, cell);
    const pixels = (length) => length / devicePixelRatio;
    return { x: pixels(x), y: pixels(y), width: pixels(width), height: pixels(height) };
  }

  /** @param {Cell | null} cell */
  ring(cell) {
    this.#ring.hidden = !cell;
    if (!cell) return;
    const { x, y, width, height } = this.rectangle(cell);
    Object.assign(this.#ring.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
  }

  #cell(event) {
    return cellAt(this.#arrangement, event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio);
  }
}

// One map, enlarged in place: large enough cells carry their number.

import { arrow, clamp } from "./arrows.js";
import { element } from "./dom.js";
import { arrange } from "./maps.js";
import { MapView } from "./map-view.js";
import { fitting } from "./numbers.js";

/** @typedef {import("./tensor.js").Cell} Cell */

const SIDE = 392; // the most CSS pixels on a small screen
const ABOVE = 320; // CSS pixels of a large screen's height that are left to others
const CHARACTER = 0.6; // the width of a digit as a share of the font's size
const SMALLEST_FONT = 8.5;

export class Lens {
  #view;
  /** What grows, inside an element that keeps its place: the page would scroll back from where nothing is yet. */
  #glass;
  #foot;
  #channel = 0;
  #size;
  #cursor = { row: 0, column: 0 };
  #onPoint;
  #onPick;
  #onClose;

  /** @param {{label: string, size: import("./tensor.js").Size, onPoint: (cell: Cell | null) => void,
   *   onPick: (cell: Cell) => void, onClose: () => void}} options */
  constructor({ label, size, onPoint, onPick, onClose }) {
    this.#size = size;
    this.#onPoint = onPoint;
    this.#onPick = onPick;
    this.#onClose = onClose;
    this.#view = new MapView({ label, onPoint: this.#onPoint, onPick: this.#onPick });
    this.#view.canvas.addEventListener("keydown", (event) => this.#key(event));
    const close = element("button", { textContent: "×", title: "Close: Esc", ariaLabel: "Close", onclick: onClose });
    this.#foot = element("div", { className: "foot" }, close);
    this.#glass = element("div", { className: "glass" }, this.#view.element, this.#foot);
    this.element = element("div", { className: "lens", hidden: true }, this.#glass);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Grow out of a tile, staying within the room at hand: from left to right, in CSS pixels from the corner of the maps.
   *  @param {{left: number, right: number}} room */
  open(channel, tile, room) {
    const moved = !this.isOpen || channel !== this.#channel;
    this.#channel = channel;
    const most = Math.max(SIDE, Math.min(innerHeight - ABOVE, 0.45 * innerWidth));
    const side = Math.floor(Math.min(most, room.right - room.left) * devicePixelRatio);
    const { height, width: columns } = this.#size;
    const square = { width: side, height: side, tile: side, least: 1, gap: 0 };
    this.#view.arrange({ ...arrange({ height, width: columns, channels: 1 }, square), first: channel });
    this.element.hidden = false;
    const { offsetWidth } = this.element;
    const middle = tile.x + (tile.width - offsetWidth) / 2;
    const left = clamp(middle, room.left, Math.max(room.left, room.right - offsetWidth));
    this.element.style.left = `${left}px`;
    this.element.style.top = `${tile.y}px`;
    if (!moved) return;
    this.element.scrollIntoView({ block: "nearest" });
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const from = `translateX(${tile.x - left}px) scale(${tile.width / offsetWidth})`;
    this.#glass.animate([{ transform: from }, { transform: "none" }], { duration: 160, easing: "ease-out" });
  }

  close() {
    this.element.hidden = true;
  }

  /** Show the readout at the lower edge. @param {HTMLElement} readout */
  hold(readout) {
    this.#foot.prepend(readout);
  }

  focus() {
    this.#view.canvas.focus({ preventScroll: true });
  }

  /** @param {import("./tensor.js").Tensor | null} tensor */
  paint(tensor) {
    this.#view.paint(tensor);
    if (tensor) this.#paintNumbers(tensor);
  }

  /** Put a ring around a cell, if it is one of this map. @param {Cell | null} cell */
  mark(cell) {
    const mine = this.isOpen && cell?.channel === this.#channel && cell.row !== undefined;
    this.#view.ring(mine ? cell : null);
  }

  #paintNumbers(tensor) {
    const side = this.#view.rectangle({ channel: this.#channel, row: 0, column: 0 }).width;
    const font = Math.min(14, side / 3.2);
    if (font < SMALLEST_FONT) return;
    const context = this.#view.canvas.getContext("2d");
    const style = getComputedStyle(this.element);
    const characters = Math.floor((0.88 * side) / (CHARACTER * font));
    context.scale(devicePixelRatio, devicePixelRatio);
    context.font = `${font}px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = 0; row < this.#size.height; row += 1) {
      for (let column = 0; column < this.#size.width; column += 1) {
        const value = tensor.at({ channel: this.#channel, row, column });
        const text = fitting(value, characters);
        if (text === null) continue;
        // The far half of the scale is as dark as text, or as light in the dark scheme.
        const far = Math.abs(value) / tensor.limit > 0.5;
        context.fillStyle = style.getPropertyValue(far ? "--page" : "--text");
        context.fillText(text, (column + 0.5) * side, (row + 0.5) * side);
      }
    }
  }

  #key(event) {
    const step = arrow(event);
    if (step) {
      this.#cursor.row = clamp(this.#cursor.row + step[0], 0, this.#size.height - 1);
      this.#cursor.column = clamp(this.#cursor.column + step[1], 0, this.#size.width - 1);
      this.#onPoint({ ...this.#cursor, channel: this.#channel });
    } else if (event.key === "Enter" || event.key === " ") {
      this.#onPick({ ...this.#cursor, channel: this.#channel });
    } else if (event.key === "Escape") {
      this.#onClose();
    } else {
      return;
    }
    event.preventDefault();
  }
}

// One layer: what it does in one sentence, and its maps for this drawing.

import { arrow, clamp } from "./arrows.js";
import { element, onZoom } from "./dom.js";
import { Lens } from "./lens.js";
import { arrange } from "./maps.js";
import { MapView } from "./map-view.js";
import { Readout } from "./readout.js";
import { has, sizeOf } from "./tensor.js";
import { Window } from "./window.js";

/** @typedef {import("./tensor.js").Cell} Cell */

const TILE = 112; // the most CSS pixels of a map's side
const UNIT = 16; // and of a dense unit's
const LEAST = 48; // a map is not made smaller than it is below this side
const GAP = 4;

export class Figure {
  element;
  caption;
  #readout = new Readout();
  #size;
  #window;
  #view;
  #lens;
  /** @type {import("./tensor.js").Tensor | null | undefined} undefined: nothing is painted yet, or any more */
  #tensor;
  /** @type {Cell | null} what the pointer or the keyboard is on */
  #pointed = null;
  /** @type {Cell | null} what the address names */
  #picked = null;
  #onPick;

  /** @param {HTMLElement} parent @param {import("./engine.js").Layer} layer @param {(cell: Cell | null) => void} onPick
   *  @param {import("./window.js").Window} window which maps are shown; default: all */
  constructor(parent, layer, onPick, window = new Window(sizeOf(layer.shape).channels)) {
    this.#size = sizeOf(layer.shape);
    this.#onPick = onPick;
    this.#window = window;
    window.onTurn(() => this.#turned());
    const { channels, height, width } = this.#size;
    const contents = this.#isUnits ? `units: ${channels}` : `maps of ${height} by ${width}: ${channels}`;
    this.#view = new MapView({
      label: `${layer.name}, ${contents}. Arrow keys choose, Enter enlarges.`,
      onPoint: (cell) => this.#point(cell),
      onPick: ({ channel }) => onPick(this.#isSame(channel) ? null : { channel }),
    });
    this.#lens = new Lens({
      label: `One map of ${layer.name}. Arrow keys choose a number, Enter selects it, Escape goes back.`,
      size: this.#size,
      onPoint: (cell) => this.#point(cell),
      onPick,
      onClose: () => {
        this.#view.canvas.focus({ preventScroll: true });
        onPick(null);
      },
    });
    this.#view.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.#view.element.append(this.#lens.element, this.#readout.element);
    this.caption = caption(layer);
    this.element = element("figure", {}, this.caption, this.#view.element);
    parent.append(this.element);
    this.#arrange();
    new ResizeObserver(() => this.#arrange()).observe(this.#view.element);
    onZoom(() => this.#arrange());
  }

  /** @param {import("./tensor.js").Tensor | null} tensor */
  show(tensor) {
    this.#tensor = tensor;
    this.repaint();
  }

  /** Be out of sight: hold neither numbers nor pixels until something is shown again. */
  rest() {
    this.#tensor = undefined;
    this.#view.free();
  }

  /** Go to a map or a number, or back to the whole layer. @param {Cell | null} cell */
  select(cell) {
    this.#picked = cell && has(this.#size, cell) ? cell : null;
    const opens = this.#picked && !this.#isUnits;
    if (this.#picked) this.#window.show(this.#picked.channel);
    if (opens) {
      this.#lens.hold(this.#readout.element); // the number stays near the pointer
      this.#openLens();
    } else {
      this.#view.element.append(this.#readout.element);
      this.#lens.close();
    }
    this.repaint();
    if (opens && document.activeElement === this.#view.canvas) this.#lens.focus();
  }

  focus() {
    this.#view.canvas.focus({ preventScroll: true });
  }

  reveal() {
    this.element.scrollIntoView({ block: "nearest" });
  }

  repaint() {
    if (this.#tensor === undefined) return;
    this.#view.paint(this.#tensor);
    if (this.#lens.isOpen) this.#lens.paint(this.#tensor);
    this.#mark();
  }

  get #isUnits() {
    return this.#size.height * this.#size.width === 1;
  }

  #isSame(channel) {
    return this.#picked?.channel === channel;
  }

  #arrange() {
    const width = this.#view.element.clientWidth;
    const pixels = (length) => Math.floor(length * devicePixelRatio);
    const room = {
      width: pixels(width),
      height: pixels(heightFor(width)),
      tile: pixels(this.#isUnits ? UNIT : TILE),
      least: pixels(LEAST),
      gap: pixels(GAP),
    };
    const { first, count, most } = this.#window;
    // As if the window were full, so that all windows look alike.
    const arrangement = arrange({ ...this.#size, channels: most }, room);
    this.#view.arrange({ ...arrangement, size: { ...this.#size, channels: count }, first });
    if (this.#lens.isOpen) this.#openLens();
    this.repaint();
  }

  #openLens() {
    const tile = this.#view.rectangle({ channel: this.#picked.channel });
    const corner = this.#view.element.getBoundingClientRect().left;
    const { left, right } = this.#view.element.closest("main").getBoundingClientRect();
    this.#lens.open(this.#picked.channel, tile, { left: left - corner, right: right - corner });
  }

  /** Other maps are shown: their numbers are on the way. */
  #turned() {
    if (this.#tensor) this.#tensor = null;
    if (this.#picked && !this.#window.has(this.#picked.channel)) this.#onPick(null);
    this.#pointed = null;
    this.#arrange();
  }

  #point(cell) {
    this.#pointed = cell;
    this.#mark();
  }

  #mark() {
    const cell = this.#pointed ?? this.#picked;
    this.#view.ring(cell && { channel: cell.channel });
    this.#lens.mark(cell);
    this.#readout.show(this.#tensor, this.#isUnits && cell ? { ...cell, row: 0, column: 0 } : cell);
  }

  #key(event) {
    const step = arrow(event);
    const channel = this.#pointed?.channel ?? this.#picked?.channel ?? 0;
    if (step) {
      const moved = clamp(channel + step[0] * this.#view.columns + step[1], 0, this.#size.channels - 1);
      this.#window.show(moved);
      this.#point({ channel: moved });
    } else if (event.key === "Enter" || event.key === " ") {
      this.#onPick({ channel });
    } else if (event.key === "Escape") {
      this.#onPick(null);
    } else {
      return;
    }
    event.preventDefault();
  }
}

/** What a layer is and does, beside its numbers. */
export function caption({ name, kind, sentence, shape }) {
  return element(
    "figcaption",
    {},
    element("h2", {}, element("a", { href: `#${encodeURIComponent(name)}`, title: name, textContent: kind })),
    element("p", { className: "shape", textContent: shape.join("×") }),
    element("p", { className: "sentence", textContent: sentence }),
  );
}

/** How high all lines together may become: on a phone several lines, on a projector larger maps. */
function heightFor(width) {
  return width < 640 ? 208 : Math.max(128, width / 7.5);
}

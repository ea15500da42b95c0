// Every layer of a network of any depth and shape: in order of computation, those with maps of one size together. Layers
// far from the screen hold neither numbers nor pixels.

import { element } from "./dom.js";
import { Figure } from "./figure.js";
import { sizeOf } from "./tensor.js";
import { Window } from "./window.js";

/** @typedef {import("./engine.js").Layer} Layer */

const HELPING = 32; // maps shown at once
const AT_A_GLANCE = 48; // layers that the outline lists unasked
const NEAR = "600px 0px"; // around the screen

export class Layers {
  /** @type {Map<string, {index: number, figure: Figure, window: Window, near: boolean}>} */
  #rows = new Map();
  #load;

  /**
   * @param {HTMLElement} parent @param {HTMLElement} outline @param {Layer[]} layers
   * @param {(place: import("./place.js").Place | null) => void} go
   * @param {(index: number, first: number, count: number) => Promise<import("./tensor.js").Tensor | null>} load
   */
  constructor(parent, outline, layers, go, load) {
    this.#load = load;
    const observer = new IntersectionObserver((entries) => this.#moved(entries), { rootMargin: NEAR });
    const readers = readersOf(layers);
    let index = 0;
    for (const stage of stagesOf(layers)) {
      const title = titleOf(stage[0]);
      const label = element("p", { className: "size", textContent: title });
      const section = element("section", { className: "level", ariaLabel: title }, label);
      parent.append(section); // before its figures, which measure their room
      outline.append(entryOf(stage, title, layers.length <= AT_A_GLANCE));
      for (const layer of stage) {
        this.#add(section, layer, index, (cell) => go({ layer: layer.name, cell }));
        const { figure, window } = this.#rows.get(layer.name);
        const before = layers[index - 1]?.name;
        if (index > 0) figure.caption.lastChild.before(element("p", { className: "name", textContent: layer.name }));
        figure.caption.append(...relations(layer, before, readers.get(layer.name), layers[index + 1]?.name));
        figure.caption.append(window.turner());
        observer.observe(figure.element);
        index += 1;
      }
    }
  }

  /** There is another picture. */
  refresh() {
    for (const row of this.#rows.values()) if (row.near) this.#fill(row);
  }

  repaint() {
    for (const { figure } of this.#rows.values()) figure.repaint();
  }

  /** @param {import("./place.js").Place | null} place */
  go(place) {
    const row = this.#rows.get(place?.layer);
    if (row) {
      row.figure.reveal();
      if (!place.cell) row.figure.focus();
    }
    for (const [name, { figure }] of this.#rows) figure.select(place?.layer === name ? place.cell : null);
  }

  #add(section, layer, index, onPick) {
    const { height, width, channels } = sizeOf(layer.shape);
    const window = new Window(channels, height * width === 1 ? channels : HELPING);
    const figure = new Figure(section, layer, onPick, window);
    const row = { index, figure, window, near: false };
    window.onTurn(() => row.near && this.#fill(row));
    this.#rows.set(layer.name, row);
  }

  #moved(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = [...this.#rows.values()].find(({ figure }) => figure.element === target);
      row.near = isIntersecting;
      if (isIntersecting) this.#fill(row);
      else row.figure.rest();
    }
  }

  async #fill(row) {
    const { first, count } = row.window;
    const turn = (row.turn = Symbol("the newest request"));
    const tensor = await this.#load(row.index, first, count);
    if (row.near && row.turn === turn) row.figure.show(tensor);
  }
}

/** Layers that follow each other and have maps of one size. @param {Layer[]} layers @returns {Layer[][]} */
function stagesOf(layers) {
  const stages = [];
  for (const layer of layers) {
    const stage = stages.at(-1);
    if (stage && titleOf(stage[0]) === titleOf(layer)) stage.push(layer);
    else stages.push([layer]);
  }
  return stages;
}

/** A stage in the outline: its layers as links. */
function entryOf(stage, title, open) {
  const count = stage.length === 1 ? "1 layer" : `${stage.length} layers`;
  const links = stage.map(({ name, kind }) =>
    element("a", { href: linkTo(name), title: name, ariaLabel: `${kind} ${name}`, textContent: kind }),
  );
  const summary = element("summary", {}, element("b", { textContent: title }), element("span", { textContent: count }));
  return element("details", { open }, summary, element("p", {}, ...links));
}

function titleOf({ shape }) {
  const { height, width } = sizeOf(shape);
  return height * width === 1 ? "Units" : `${height}×${width}`;
}

/** Which layers read each layer. @param {Layer[]} layers @returns {Map<string, string[]>} */
function readersOf(layers) {
  const readers = new Map(layers.map(({ name }) => [name, []]));
  for (const { name, inputs } of layers) for (const input of inputs) readers.get(input).push(name);
  return readers;
}

/** Where a layer's numbers come from and go to, wherever that is not the row above and the row below. */
function relations({ inputs }, before, readers, after) {
  const lines = [];
  if (inputs.length !== 1 || inputs[0] !== before) lines.push(["from", inputs]);
  if (readers.length > 1 || (readers.length === 1 && readers[0] !== after)) lines.push(["to", readers]);
  return lines
    .filter(([, names]) => names.length)
    .map(([word, names]) => {
      const links = names.map((name) => element("a", { href: linkTo(name), textContent: name }));
      return element("p", { className: "relation" }, word, ...links);
    });
}

function linkTo(name) {
  return `#${encodeURIComponent(name)}`;
}

// Where one number came from: the steps of its sum, every term of which is a number that can be opened in turn.

import { element } from "./dom.js";
import { originOf, usesOf } from "./engine.js";
import { KINDS, WHOLE } from "./kinds.js";
import { full, short } from "./numbers.js";
import { go, here, spotOf } from "./place.js";
import { has, sizeOf } from "./tensor.js";
import { List } from "./terms.js";

/** @typedef {import("./place.js").Spot} Spot */
/** @typedef {import("./engine.js").Figure} Figure */

const GRADIENT = "∂ ";
const SHOWN = 4; // steps of the way back

export class Anatomy {
  element = element("aside", { id: "anatomy", hidden: true, ariaLabel: "Where a number came from" });
  #network;
  /** Their places have no sample. */
  #weights;
  /** @type {string | null} */
  #input = null;
  /** @type {Spot | null} */
  #spot = null;
  /** @type {Spot[]} the numbers before this one, from the first */
  #trail = [];
  /** @type {Spot | null} the number that was clicked in the panel */
  #next = null;
  /** What is being asked for; the newest request alone is shown. */
  #asked = "";
  /** What is shown below the sum: nothing, or the numbers that read this one. */
  #reads = element("div", { className: "uses" });

  /** @param {import("./engine.js").Network} network */
  constructor(network) {
    this.#network = network;
    this.#weights = new Set(network.layers.flatMap(({ weights }) => weights));
  }

  /** The number that a place of the page names: its own, or the cell's. @param {import("./place.js").Place | null} place
   *  @returns {Spot | null} */
  spotAt(place) {
    if (place?.spot) return place.spot;
    const layer = place?.cell && this.#network.layers.find(({ name }) => name === place.layer);
    if (!layer || !has(sizeOf(layer.shape), place.cell)) return null;
    const { height, width } = sizeOf(layer.shape);
    return place.cell.row !== undefined || height * width === 1 ? spotOf(layer, place.cell) : null;
  }

  /** Close what was opened last: the sum, which leaves the map that its number is in, or else the map. */
  back() {
    const place = here();
    const stays = !this.element.hidden && place?.cell?.row !== undefined;
    go(stays ? { layer: place.layer, cell: { channel: place.cell.channel } } : null);
  }

  /** Show a number of an input; null: none. @param {string | null} input @param {Spot | null} spot */
  async show(input, spot) {
    const asked = JSON.stringify([input, spot]);
    if (asked === this.#asked) return;
    this.#asked = asked;
    if (this.element.hidden && spot) revealPicked();
    this.element.hidden = !spot; // not while there is no input: the paper would move under the pen
    this.#follow(spot);
    if (!input || !spot) {
      this.#spot = spot;
      if (!spot) return;
      const name = this.#written([spot.place, spot.index]);
      const wait = `${name} and its sum appear here as soon as there is something to compute it from.`;
      this.element.replaceChildren(this.#bar(), element("p", { textContent: wait }));
      return;
    }
    let steps;
    let refusal = "";
    try {
      steps = await originOf(input, spot);
    } catch (error) {
      refusal = error.message;
    }
    if (asked !== this.#asked) return;
    const moved = JSON.stringify(this.#spot) !== JSON.stringify(spot);
    if (moved) this.#reads.replaceChildren();
    this.#input = input;
    this.#spot = spot;
    const inside = this.element.contains(document.activeElement);
    this.element.replaceChildren(...(refusal ? [this.#bar(), element("p", { textContent: refusal })] : this.#sum(steps)));
    if (moved) this.element.scrollTop = 0;
    if (inside) this.element.querySelector("h2")?.focus({ preventScroll: true }); // what had the focus is gone
  }

  #sum(steps) {
    const [{ number }] = steps;
    const given = steps[0].operation === "";
    const head = element(
      "h2",
      { tabIndex: -1 },
      element("span", { className: "where", textContent: this.#written(number) }),
      " ",
      element("b", { textContent: shown(number[2], full) }),
    );
    const parts = given ? [element("p", { textContent: this.#givenAs(number[0]) })] : steps.map((step) => this.#step(step));
    return [this.#bar(), head, this.#gradients(), ...parts, this.#readBy(), this.#reads];
  }

  /** The way back, and the way out. */
  #bar() {
    const trail = this.#trail.slice(-SHOWN).map((spot) =>
      element("button", { textContent: `${this.#written([spot.place, spot.index])} ›`, onclick: () => goTo(spot) }),
    );
    const close = element("button", {
      className: "close",
      textContent: "×",
      ariaLabel: "Hide the sum",
      title: "Hide the sum: Esc",
      onclick: () => this.back(),
    });
    return element("p", { className: "trail" }, this.#trail.length > SHOWN ? "…" : "", ...trail, close);
  }

  #step(step) {
    const formula = element(
      "p",
      { className: "formula" },
      element("b", { textContent: step.operation }),
      ` ${step.formula} = ${shown(step.number[2], short)}`,
    );
    const button = (figure) => this.#button(figure);
    const views = [KINDS[step.operation]?.(step, button)].filter(Boolean);
    if (!views.length || !WHOLE.has(step.operation)) views.push(new List(step, button, (at) => this.#written(at)).element);
    return element("section", {}, formula, ...views);
  }

  /** A choice of which output gradients are of; with none, numbers are those of the forward pass. */
  #gradients() {
    const { classes, layers } = this.#network;
    const count = layers.at(-1).shape.reduce((product, axis) => product * axis, 1);
    if (!classes.length || count !== classes.length) return "";
    const select = element("select", {}, element("option", { value: "", textContent: "this number" }));
    classes.forEach((label, number) =>
      select.append(element("option", { value: number, textContent: `∂ ${label} / ∂ this number` })),
    );
    select.value = this.#spot.place.startsWith(GRADIENT) ? this.#spot.of.at(-1) : "";
    select.addEventListener("change", () => {
      const plain = this.#spot.place.replace(GRADIENT, "");
      const rank = layers.at(-1).shape.length;
      const of = [0, ...Array(rank - 1).fill(0), Number(select.value)];
      const { index } = this.#spot;
      this.#open(select.value === "" ? { place: plain, index } : { place: GRADIENT + plain, index, of });
    });
    return element("p", { className: "choice" }, element("label", {}, "Show ", select));
  }

  #readBy() {
    const button = element("button", { className: "read-by", textContent: "Read by…" });
    button.addEventListener("click", async () => {
      const asked = this.#asked;
      let lines;
      try {
        const { uses, more } = await usesOf(this.#input, this.#spot);
        lines = uses.map(([figure, value, reads]) => this.#use(figure, value, reads));
        if (more) lines.push(element("p", { textContent: `These are the first ${uses.length}; there are more.` }));
        if (!uses.length) lines = [element("p", { textContent: "No other number was computed from this one." })];
      } catch (error) {
        lines = [element("p", { textContent: error.message })];
      }
      if (asked === this.#asked) this.#reads.replaceChildren(...lines);
    });
    return button;
  }

  #use(figure, value, reads) {
    const { place, index } = this.#spot;
    const others = reads.filter(([where, at]) => where !== place || at.join() !== index.join());
    const times = others.flatMap((other) => [" · ", this.#button(other)]);
    return element(
      "p",
      {},
      element("span", { className: "where", textContent: this.#written(figure) }),
      " ",
      this.#button(figure),
      " has the term ",
      element("b", { textContent: shown(value, short) }),
      times.length ? " = this" : "",
      ...times,
    );
  }

  /** A number that opens where it came from. @param {Figure} figure */
  #button([place, index, value]) {
    const where = this.#written([place, index]);
    return element("button", {
      className: "figure",
      textContent: shown(value, short),
      title: `${where} = ${shown(value, full)}`,
      ariaLabel: `${shown(value, short)}, ${where}`,
      onclick: () => this.#open({ place, index, ...(this.#spot.of && { of: this.#spot.of }) }),
    });
  }

  #open(spot) {
    this.#next = isSame(spot, this.#spot) ? null : spot;
    goTo(spot);
  }

  /** Keep the trail: longer by a step within the panel, shorter after a way back, and empty after any other way. */
  #follow(spot) {
    if (isSame(spot, this.#spot)) return;
    const before = this.#trail.findIndex((one) => isSame(one, spot));
    if (isSame(spot, this.#next) && this.#spot) this.#trail.push(this.#spot);
    else this.#trail.splice(before < 0 ? 0 : before);
    this.#next = null;
  }

  /** A number's place as it is written in Python, without the sample. */
  #written([place, index]) {
    const isWeight = this.#weights.has(place.replace(GRADIENT, ""));
    return `${place} [${(isWeight ? index : index.slice(1)).join(", ")}]`;
  }

  #givenAs(place) {
    if (place === this.#network.layers[0].name) return "It is what the network was given: the picture.";
    return place.startsWith(GRADIENT) ? "It is where gradients begin: 1 for the chosen output." : "It is a weight of the network.";
  }
}

/** @param {number | string} value infinities and NaN are words */
function shown(value, format) {
  return typeof value === "number" ? format(value) : value;
}

/** Open a number, wherever the page is. @param {Spot} spot */
function goTo(spot) {
  const { layer = "", cell = null } = here() ?? {};
  go({ layer, cell, spot });
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The panel pushes everything aside: what was clicked stays on the screen. */
function revealPicked() {
  const picked = () => document.querySelector('.lens:not([hidden]), .row[aria-pressed="true"]');
  requestAnimationFrame(() => requestAnimationFrame(() => picked()?.scrollIntoView({ block: "nearest" })));
}

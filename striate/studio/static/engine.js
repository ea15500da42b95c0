// The conversation with the server; messages.py says how the bytes lie.

import { Tensor } from "./tensor.js";
import { checked, sentence, unpack } from "./wire.js";

/** @typedef {{name: string, kind: string, sentence: string, shape: number[], inputs: string[],
 *   weights: string[]}} Layer */
/** @typedef {{name: string, classes: string[], draws: boolean, layers: Layer[], notes: string[]}} Network */
/** @typedef {[layer: number, first: number, count: number]} Part some maps of a layer */
/** @typedef {{input: string, drawing: number | null, sure: boolean, probabilities: Float32Array,
 *   maps: Map<number, Tensor>}} Answer maps by the number of their layer */
/** @typedef {[place: string, index: number[], value: number | string]} Figure a number, and where it stands */
/** @typedef {{number: Figure, operation: string, formula: string, total: number | string, count: number,
 *   terms: [value: number | string, reads: Figure[]][], rest: number | string}} Origin */

const FIRST_RETRY = 500; // milliseconds
const LAST_RETRY = 8000;

/** @returns {Promise<Network>} */
export async function network() {
  return (await checked(await fetch("api/network"))).json();
}

/** Look at a picture file. @param {Blob} file @param {AbortSignal} [signal] @returns {Promise<Answer>} */
export async function look(file, signal) {
  const response = await reach("api/inputs/", { method: "POST", body: file, signal });
  return decode(await (await checked(response)).arrayBuffer());
}

/** The answer to an input of before; null if that is forgotten. @returns {Promise<Answer | null>} */
export async function recall(input) {
  const response = await reach(`api/inputs/${input}`);
  return response.ok ? decode(await response.arrayBuffer()) : null;
}

/** Some maps of a layer. @param {string} input @param {Part} part @returns {Promise<Tensor>} */
export async function mapsOf(input, [layer, first, count]) {
  const response = await reach(`api/inputs/${input}/layers/${layer}?first=${first}&count=${count}`);
  return decode(await (await checked(response)).arrayBuffer()).maps.get(layer);
}

/** Where a number came from, step by step. @param {string} input @param {import("./place.js").Spot} spot
 *  @returns {Promise<Origin[]>} */
export async function originOf(input, spot) {
  return (await asked(input, "number", spot)).steps;
}

/** What was computed from a number. @param {string} input @param {import("./place.js").Spot} spot
 *  @returns {Promise<{uses: [Figure, number | string, Figure[]][], more: boolean}>} */
export function usesOf(input, spot) {
  return asked(input, "uses", spot);
}

/** The address of what the network sees of a picture. */
export function frameOf(input) {
  return `api/inputs/${input}/frame.png`;
}

/** Drawings, answered while the pen moves. */
export class Pen {
  #onAnswer;
  #onTrouble;
  /** @type {WebSocket} */
  #socket;
  #retry = FIRST_RETRY;
  #id = 0;
  #oldest = 0;
  /** @type {string | null} the newest drawing, kept until it is answered */
  #pending = null;

  /**
   * @param {(answer: Answer | null) => void} onAnswer null: there is none
   * @param {(sentence: string) => void} onTrouble
   */
  constructor(onAnswer, onTrouble) {
    this.#onAnswer = onAnswer;
    this.#onTrouble = onTrouble;
    this.#connect();
  }

  /** Ask what a drawing is, and for some maps. Of drawings that come faster than answers, the newest is answered.
   *  @param {Part[]} maps */
  ask(strokes, width, maps) {
    this.#id += 1;
    this.#pending = JSON.stringify({ id: this.#id, width, strokes, maps });
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(this.#pending);
  }

  /** The paper changed altogether: what was asked before is of no interest any more. */
  forget() {
    this.#oldest = this.#id + 1;
    this.#pending = null;
  }

  #connect() {
    this.#socket = new WebSocket(new URL("api/draw", location.href.replace(/^http/, "ws")));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("open", () => {
      this.#retry = FIRST_RETRY;
      this.#onTrouble("");
      if (this.#pending) this.#socket.send(this.#pending);
    });
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", () => {
      this.#onTrouble("The studio does not answer. Your drawing is kept; trying again.");
      setTimeout(() => this.#connect(), this.#retry);
      this.#retry = Math.min(2 * this.#retry, LAST_RETRY);
    });
  }

  #receive(data) {
    if (typeof data === "string") {
      this.#onAnswer(null); // the answer to an earlier drawing is none to this one
      this.#onTrouble(sentence(JSON.parse(data)));
      return;
    }
    const answer = decode(data);
    if (answer.drawing === this.#id) this.#pending = null;
    if (answer.drawing < this.#oldest) return;
    this.#onTrouble("");
    this.#onAnswer(answer);
  }
}

/** @param {ArrayBuffer} buffer @returns {Answer} */
function decode(buffer) {
  const { header, values } = unpack(buffer);
  const sizes = header.maps.map(({ shape }) => shape.reduce((product, axis) => product * axis, 1));
  let offset = values.length - sizes.reduce((sum, size) => sum + size, 0);
  const probabilities = values.subarray(0, offset);
  const maps = new Map();
  header.maps.forEach((part, number) => {
    maps.set(part.layer, new Tensor(part.shape, values.subarray(offset, offset + sizes[number]), part));
    offset += sizes[number];
  });
  return { ...header, probabilities, maps };
}

async function asked(input, what, { place, index, of }) {
  const query = new URLSearchParams({ place, index: index.join() });
  if (of) query.set("of", of.join());
  const response = await reach(`api/inputs/${input}/${what}?${query}`);
  return (await checked(response)).json();
}

function reach(path, options) {
  return fetch(path, options).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio does not answer. The page stays as it is; try again.");
  });
}

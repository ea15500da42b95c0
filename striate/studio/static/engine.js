// The conversation with the server; messages.py says how the bytes lie.

import { Tensor } from "./tensor.js";
import { checked, sentence, unpack } from "./wire.js";

/** @typedef {{drawing: number | null, sure: boolean, tensors: Tensor[]}} Answer */
/** @typedef {{name: string, kind: string, sentence: string, shape: number[]}} Layer */
/** @typedef {{name: string, classes: string[], layers: Layer[]}} Network */

const FIRST_RETRY = 500; // milliseconds
const LAST_RETRY = 8000;

export class Engine {
  #network;
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
   * @param {Network} network
   * @param {(answer: Answer | null) => void} onAnswer null: there is none
   * @param {(sentence: string) => void} onTrouble
   */
  constructor(network, onAnswer, onTrouble) {
    this.#network = network;
    this.#onAnswer = onAnswer;
    this.#onTrouble = onTrouble;
    this.#connect();
  }

  /** @returns {Promise<Network>} */
  static async network() {
    return (await checked(await fetch("api/model"))).json();
  }

  /** Ask what a drawing is. Of drawings that come faster than answers, the newest is answered. */
  ask(strokes, width) {
    this.#id += 1;
    this.#pending = JSON.stringify({ id: this.#id, width, strokes });
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(this.#pending);
  }

  /** The paper changed altogether: what was asked before is of no interest any more. */
  forget() {
    this.#oldest = this.#id + 1;
    this.#pending = null;
  }

  /** Ask what a picture file shows. @param {Blob} file @returns {Promise<Answer>} */
  async askPicture(file) {
    const response = await fetch("api/picture", { method: "POST", body: file }).catch(() => {
      throw new Error("The picture could not be sent to the studio. Try again.");
    });
    return decode(await (await checked(response)).arrayBuffer(), this.#network.layers);
  }

  #connect() {
    this.#socket = new WebSocket(new URL("draw", location.href.replace(/^http/, "ws")));
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
    const answer = decode(data, this.#network.layers);
    if (answer.drawing === this.#id) this.#pending = null;
    if (answer.drawing < this.#oldest) return;
    this.#onTrouble("");
    this.#onAnswer(answer);
  }
}

/** @param {ArrayBuffer} buffer @param {Layer[]} layers @returns {Answer} */
function decode(buffer, layers) {
  const { header, values } = unpack(buffer);
  let offset = 0;
  const tensors = layers.map(({ shape }) => {
    const end = offset + shape.reduce((product, axis) => product * axis, 1);
    const tensor = new Tensor(shape, values.subarray(offset, end));
    offset = end;
    return tensor;
  });
  return { ...header, tensors };
}

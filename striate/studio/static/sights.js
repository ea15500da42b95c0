// What the server knows of photographs; messages.py says how the bytes lie.

import { Tensor } from "./tensor.js";
import { checked, unpack } from "./wire.js";

/** @typedef {{name: string, kind: string, sentence: string, shape: number[], inputs: string[]}} Layer */
/** @typedef {{name: string, classes: string[], layers: Layer[], notes: string[]}} Network */
/** @typedef {{picture: string, sure: boolean, probabilities: Float32Array}} Sight */

/** @returns {Promise<Network>} */
export async function network() {
  return (await checked(await fetch("api/model"))).json();
}

/** Look at a picture file. @param {Blob} file @param {AbortSignal} [signal] @returns {Promise<Sight>} */
export async function look(file, signal) {
  const response = await reach("api/pictures/", { method: "POST", body: file, signal });
  return sightIn(await checked(response));
}

/** What was seen in a picture before; null if that is forgotten. @returns {Promise<Sight | null>} */
export async function recall(picture) {
  const response = await reach(`api/pictures/${picture}`);
  return response.ok ? sightIn(response) : null;
}

/** Some maps of a layer. @returns {Promise<Tensor>} */
export async function mapsOf(picture, layer, first, count) {
  const response = await reach(`api/pictures/${picture}/layers/${layer}?first=${first}&count=${count}`);
  const { header, values } = unpack(await (await checked(response)).arrayBuffer());
  return new Tensor(header.shape, values, header);
}

/** The address of what the network sees of a picture. */
export function frameOf(picture) {
  return `api/pictures/${picture}/frame.png`;
}

async function sightIn(response) {
  const { header, values } = unpack(await response.arrayBuffer());
  return { ...header, probabilities: values };
}

function reach(path, options) {
  return fetch(path, options).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio does not answer. The page stays as it is; try again.");
  });
}

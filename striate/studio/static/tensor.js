// One layer's output for one drawing, seen as maps: channels last, a dense layer being maps of one cell each.

/** @typedef {{height: number, width: number, channels: number}} Size */
/** @typedef {{channel: number, row?: number, column?: number}} Cell one number, or a whole map where there is no row */

/** The maps in a shape such as [28, 28, 32] or [10]; axes above the last three are stacked. @returns {Size} */
export function sizeOf(shape) {
  const [channels, width = 1, ...above] = [...shape].reverse();
  return { height: above.reduce((product, length) => product * length, 1), width, channels };
}

/** Whether maps of this size have such a cell; an address may name any. @param {Size} size @param {Cell} cell */
export function has(size, { channel, row = 0, column = 0 }) {
  return channel < size.channels && row < size.height && column < size.width;
}

export class Tensor {
  #first;

  /** @param {number[]} shape @param {Float32Array} values
   *  @param {{first: number, least: number, greatest: number}} part where only some maps of a layer are at hand: the
   *  number of the first, and the ends of the whole layer */
  constructor(shape, values, { first, least, greatest } = { first: 0, ...ends(values) }) {
    this.shape = shape;
    this.size = sizeOf(shape);
    this.values = values;
    this.#first = first;
    this.signed = least < 0;
    /** The end of the colour scale, which all maps of a layer share so that they can be compared. */
    this.limit = Math.max(greatest, -least) || 1;
  }

  /** @param {Cell} cell */
  at({ channel, row = 0, column = 0 }) {
    return this.values[(row * this.size.width + column) * this.size.channels + channel - this.#first];
  }

  /** The cell as it is written in Python: [row, column, channel], or [unit]. @param {Cell} cell */
  indexOf({ channel, row = 0, column = 0 }) {
    return `[${[row, column, channel].slice(-this.shape.length).join(", ")}]`;
  }
}

function ends(values) {
  let least = 0;
  let greatest = 0;
  for (const value of values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return { least, greatest };
}

// How the maps of any layer are laid out and painted on a canvas. Knows tensors, not networks.

import { pixel } from "./colors.js";

/** @typedef {import("./tensor.js").Size} Size */
/** @typedef {import("./tensor.js").Cell} Cell */
/** @typedef {import("./tensor.js").Tensor} Tensor */

/**
 * Tiles in lines. All lengths are whole device pixels, so that every cell of every map is as large as its neighbour.
 * @typedef {{size: Size, scale: number, gap: number, columns: number, lines: number}} Arrangement
 */

/**
 * Choose the largest scale at which all maps fit into the room; where none does, scale 1 and as many lines as it takes.
 * @param {Size} size @param {{width: number, height: number, tile: number, gap: number}} room in device pixels
 * @returns {Arrangement}
 */
export function arrange(size, room) {
  for (let scale = Math.max(1, Math.floor(room.tile / Math.max(size.height, size.width))); ; scale -= 1) {
    const gap = Math.min(room.gap, Math.floor((size.width * scale) / 4));
    const most = Math.max(1, Math.floor((room.width + gap) / (size.width * scale + gap)));
    const lines = Math.ceil(size.channels / most);
    if (scale === 1 || lines * (size.height * scale + gap) - gap <= room.height) {
      return { size, scale, gap, lines, columns: Math.ceil(size.channels / lines) }; // lines of even length
    }
  }
}

/** The size of the canvas. @param {Arrangement} arrangement */
export function extent({ size, scale, gap, columns, lines }) {
  return { width: columns * (size.width * scale + gap) - gap, height: lines * (size.height * scale + gap) - gap };
}

/** Where a map lies on the canvas, or one cell of it. @param {Arrangement} arrangement @param {Cell} cell */
export function tileAt({ size, scale, gap, columns }, { channel, row, column }) {
  const x = (channel % columns) * (size.width * scale + gap);
  const y = Math.floor(channel / columns) * (size.height * scale + gap);
  if (row === undefined) return { x, y, width: size.width * scale, height: size.height * scale };
  return { x: x + column * scale, y: y + row * scale, width: scale, height: scale };
}

/** The cell at a point of the canvas; the gaps belong to nobody. @param {Arrangement} arrangement @returns {Cell | null} */
export function cellAt({ size, scale, gap, columns }, x, y) {
  const pitch = { x: size.width * scale + gap, y: size.height * scale + gap };
  const across = Math.floor(x / pitch.x);
  const down = Math.floor(y / pitch.y);
  const channel = down * columns + across;
  const column = Math.floor((x - across * pitch.x) / scale);
  const row = Math.floor((y - down * pitch.y) / scale);
  const inside =
    x >= 0 && y >= 0 && across < columns && channel < size.channels && column < size.width && row < size.height;
  return inside ? { channel, row, column } : null;
}

/**
 * Paint the tensor's maps from channel `first` on, or neutral tiles while there is nothing to show.
 * @param {HTMLCanvasElement} canvas @param {Arrangement} arrangement @param {Tensor | null} tensor
 */
export function paint(canvas, arrangement, tensor, first = 0) {
  Object.assign(canvas, extent(arrangement)); // setting a size also clears
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  const { size, gap, columns } = arrangement;
  const sheet = sheetOf(arrangement, tensor, first);
  if (gap === 0) {
    context.drawImage(sheet, 0, 0, canvas.width, canvas.height);
    return;
  }
  for (let channel = 0; channel < size.channels; channel += 1) {
    const { x, y, width, height } = tileAt(arrangement, { channel });
    const left = (channel % columns) * size.width;
    const top = Math.floor(channel / columns) * size.height;
    context.drawImage(sheet, left, top, size.width, size.height, x, y, width, height);
  }
}

/** The maps side by side without gaps, one pixel a cell. */
function sheetOf({ size: { height, width, channels }, columns, lines }, tensor, first) {
  const sheet = new OffscreenCanvas(columns * width, lines * height);
  const image = new ImageData(sheet.width, sheet.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let channel = 0; channel < channels; channel += 1) {
    const corner = Math.floor(channel / columns) * height * sheet.width + (channel % columns) * width;
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1) {
        const value = tensor ? tensor.at({ channel: first + channel, row, column }) / tensor.limit : 0;
        pixels[corner + row * sheet.width + column] = pixel(value);
      }
    }
  }
  sheet.getContext("2d").putImageData(image, 0, 0);
  return sheet;
}

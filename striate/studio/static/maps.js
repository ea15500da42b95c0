// How the maps of any layer are laid out and painted on a canvas. Knows tensors, not networks.

import { pixel } from "./colors.js";

/** @typedef {import("./tensor.js").Size} Size */
/** @typedef {import("./tensor.js").Cell} Cell */
/** @typedef {import("./tensor.js").Tensor} Tensor */

/**
 * Tiles in lines, of the maps from channel `first` on. All lengths of tiles are whole device pixels; so are those of cells,
 * so that every cell is as large as its neighbour, except in maps that are shown smaller than they are: scale < 1.
 * @typedef {{size: Size, first: number, scale: number, gap: number, columns: number, lines: number}} Arrangement
 */

/**
 * Choose the largest scale at which all maps fit into the room; where none does, the smallest and as many lines as it
 * takes. Maps are made smaller than they are only as long as a tile's side remains at least `least`.
 * @param {Size} size @param {{width: number, height: number, tile: number, least: number, gap: number}} room in device
 * pixels @returns {Arrangement}
 */
export function arrange(size, room) {
  let arrangement;
  for (const scale of scales(Math.max(size.height, size.width), room)) {
    const { width, height } = tileOf({ size, scale });
    const gap = Math.min(room.gap, Math.floor(width / 4));
    const most = Math.max(1, Math.floor((room.width + gap) / (width + gap)));
    const lines = Math.ceil(size.channels / most);
    const columns = Math.ceil(size.channels / lines); // lines of even length
    arrangement = { size, first: 0, scale, gap, lines, columns };
    if (lines * (height + gap) - gap <= room.height) break;
  }
  return arrangement;
}

/** From the largest down: integers, and one over them. */
function* scales(side, { tile, least }) {
  for (let scale = Math.max(1, Math.floor(tile / side)); scale >= 1; scale -= 1) yield scale;
  for (let part = 2; side / part >= least; part += 1) yield 1 / part;
}

function tileOf({ size, scale }) {
  return { width: Math.max(1, Math.floor(size.width * scale)), height: Math.max(1, Math.floor(size.height * scale)) };
}

/** The size of the canvas. @param {Arrangement} arrangement */
export function extent(arrangement) {
  const { gap, columns, lines } = arrangement;
  const { width, height } = tileOf(arrangement);
  return { width: columns * (width + gap) - gap, height: lines * (height + gap) - gap };
}

/** Where a map lies on the canvas, or one cell of it. @param {Arrangement} arrangement @param {Cell} cell */
export function tileAt(arrangement, { channel, row, column }) {
  const { first, scale, gap, columns } = arrangement;
  const { width, height } = tileOf(arrangement);
  const x = ((channel - first) % columns) * (width + gap);
  const y = Math.floor((channel - first) / columns) * (height + gap);
  if (row === undefined) return { x, y, width, height };
  return { x: x + column * scale, y: y + row * scale, width: scale, height: scale };
}

/** The cell at a point of the canvas; the gaps belong to nobody. @param {Arrangement} arrangement @returns {Cell | null} */
export function cellAt(arrangement, x, y) {
  const { size, first, scale, gap, columns } = arrangement;
  const { width, height } = tileOf(arrangement);
  const across = Math.floor(x / (width + gap));
  const down = Math.floor(y / (height + gap));
  const place = down * columns + across;
  const column = Math.floor((x - across * (width + gap)) / scale);
  const row = Math.floor((y - down * (height + gap)) / scale);
  const inside =
    x >= 0 && y >= 0 && across < columns && place < size.channels && column < size.width && row < size.height;
  return inside ? { channel: first + place, row, column } : null;
}

/**
 * Paint the tensor's maps, or neutral tiles while there is nothing to show.
 * @param {HTMLCanvasElement} canvas @param {Arrangement} arrangement @param {Tensor | null} tensor
 */
export function paint(canvas, arrangement, tensor) {
  Object.assign(canvas, extent(arrangement)); // setting a size also clears
  const context = canvas.getContext("2d");
  const { size, first, scale, gap, columns } = arrangement;
  context.imageSmoothingEnabled = scale < 1; // each pixel is then the mean of the cells below it
  context.imageSmoothingQuality = "high";
  const sheet = sheetOf(arrangement, tensor);
  if (gap === 0) {
    context.drawImage(sheet, 0, 0, canvas.width, canvas.height);
    return;
  }
  for (let place = 0; place < size.channels; place += 1) {
    const { x, y, width, height } = tileAt(arrangement, { channel: first + place });
    const left = (place % columns) * size.width;
    const top = Math.floor(place / columns) * size.height;
    context.drawImage(sheet, left, top, size.width, size.height, x, y, width, height);
  }
}

/** The maps side by side without gaps, one pixel a cell. */
function sheetOf({ size: { height, width, channels }, first, columns, lines }, tensor) {
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

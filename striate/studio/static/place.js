// Where the reader is, kept in the address, so that every place is a link:
// #layer, #layer/channel, #layer/channel/row,column, and after a ~ any number of the run, #…~place~1,2,3 or ~place~1,2,3~0,7
// where gradients are those of number [0, 7] of the output.

/** A number of a run: its place in the recording, its index there, and which output gradients are of.
 *  @typedef {{place: string, index: number[], of?: number[]}} Spot */
/** @typedef {{layer: string, cell: import("./tensor.js").Cell | null, spot?: Spot | null}} Place */

const PLACE = /^#([^/~]*)(?:\/(\d+)(?:\/(\d+),(\d+))?)?(?:~([^~]*)~([\d,]*)(?:~([\d,]+))?)?$/;

/** @returns {Place | null} */
export function here() {
  const match = PLACE.exec(location.hash);
  if (!match) return null;
  const [, layer, channel, row, column, place, index, of] = match;
  const number = (text) => (text === undefined ? undefined : Number(text));
  return {
    layer: decoded(layer),
    cell: channel === undefined ? null : { channel: Number(channel), row: number(row), column: number(column) },
    spot: place === undefined ? null : { place: decoded(place), index: numbers(index), of: of && numbers(of) },
  };
}

/** @param {Place | null} place */
export function go(place) {
  history.pushState(null, "", place?.cell || place?.spot ? `#${address(place)}` : location.pathname);
  dispatchEvent(new Event("hashchange"));
}

/** The number that a cell of a layer is. @param {import("./engine.js").Layer} layer
 *  @param {import("./tensor.js").Cell} cell @returns {Spot} */
export function spotOf({ name, shape }, { channel, row = 0, column = 0 }) {
  const above = shape.slice(0, -2); // stacked in rows
  const rows = [];
  for (let axis = above.length - 1; axis >= 0; axis -= 1) {
    rows.unshift(row % above[axis]);
    row = Math.floor(row / above[axis]);
  }
  return { place: name, index: [0, ...rows, ...(shape.length > 1 ? [column] : []), channel] };
}

function numbers(text) {
  return text === "" ? [] : text.split(",").map(Number);
}

/** The name of a layer, in an address that anybody may have typed. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function address({ layer, cell, spot }) {
  let written = encodeURIComponent(layer);
  if (cell) written += `/${cell.channel}${cell.row === undefined ? "" : `/${cell.row},${cell.column}`}`;
  if (spot) written += `~${encodeURIComponent(spot.place)}~${spot.index.join()}${spot.of ? `~${spot.of.join()}` : ""}`;
  return written;
}

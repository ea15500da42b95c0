// Where the reader is, kept in the address, so that every place is a link: #layer, #layer/channel, #layer/channel/row,column

/** @typedef {{layer: string, cell: import("./tensor.js").Cell | null}} Place */

/** @returns {Place | null} */
export function here() {
  const match = /^#([^/]+)(?:\/(\d+)(?:\/(\d+),(\d+))?)?$/.exec(location.hash);
  if (!match) return null;
  const [, layer, ...numbers] = match;
  const [channel, row, column] = numbers.map((text) => (text === undefined ? undefined : Number(text)));
  return { layer: decoded(layer), cell: channel === undefined ? null : { channel, row, column } };
}

/** @param {Place | null} place */
export function go(place) {
  history.pushState(null, "", place?.cell ? `#${address(place)}` : location.pathname);
  dispatchEvent(new Event("hashchange"));
}

/** The name of a layer, in an address that anybody may have typed. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function address({ layer, cell: { channel, row, column } }) {
  const number = row === undefined ? "" : `/${row},${column}`;
  return `${encodeURIComponent(layer)}/${channel}${number}`;
}

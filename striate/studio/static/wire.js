// How answers and refusals of the server are read; messages.py says how the bytes lie.

/** @param {ArrayBuffer} buffer @returns {{header: object, values: Float32Array}} */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { header, values: new Float32Array(buffer, 4 + length) };
}

/** The response, or an error that says why there is none. @param {Response} response */
export async function checked(response) {
  if (!response.ok) throw new Error(sentence(await response.json()), { cause: response.status });
  return response;
}

/** A refusal as people read it: without the name of the operation, which programmers look for. */
export function sentence({ error }) {
  const said = error.replace(/^[\w.]+: /, "");
  return said[0].toUpperCase() + said.slice(1);
}

// What outlives a reload, in this tab alone. A browser may refuse to keep anything; then a reload starts empty.

/** @param {string} name @param {unknown} value */
export function keep(name, value) {
  try {
    sessionStorage.setItem(`striate.${name}`, JSON.stringify(value));
  } catch {
    // Full, or refused: what is on the page is still there.
  }
}

/** What was kept under this name, if anything. */
export function kept(name, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(`striate.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

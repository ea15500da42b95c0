// What everything has in common that arrow keys move about in.

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** The step [down, right] that a key asks for; undefined for other keys, and where the browser has its own use for it. */
export function arrow(event) {
  return event.ctrlKey || event.metaKey || event.altKey ? undefined : STEPS[event.key];
}

/** The value, or the nearest one within the bounds. */
export function clamp(value, least, greatest) {
  return Math.min(Math.max(value, least), greatest);
}

// What several views do with the document.

/** Make an element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Calls back whenever a CSS pixel gets another size: the page was zoomed, or moved to another screen. */
export function onZoom(callback) {
  const same = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
  const changed = () => {
    callback();
    onZoom(callback);
  };
  same.addEventListener("change", changed, { once: true });
}

/** The element of index.html with this id. */
export function byId(id) {
  return document.getElementById(id);
}

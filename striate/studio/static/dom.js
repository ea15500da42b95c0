// The two things that every view does with the document.

/** Make an element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The element of index.html with this id. */
export function byId(id) {
  return document.getElementById(id);
}

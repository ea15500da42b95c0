// How the sum of each kind of operation is drawn. What is not here is a list of terms.

import { color } from "./colors.js";
import { element } from "./dom.js";
import { fitting, percent, short } from "./numbers.js";

/** @typedef {import("./engine.js").Origin} Origin */
/** @typedef {import("./engine.js").Figure} Figure */
/** @typedef {(figure: Figure) => HTMLElement} Button */

const SHOWN = 4; // maps whose windows are drawn

/** By the name of an operation. @type {Record<string, (step: Origin, button: Button) => HTMLElement | null>} */
export const KINDS = { conv: windows, max_pool: pooled, average_pool: pooled, softmax: shares };
/** Operations of which the drawing says everything, so that no list follows. */
export const WHOLE = new Set(["softmax"]);

/** window · kernel = products for the maps that contribute most. @param {Origin} step @param {Button} button */
function windows({ terms, count }, button) {
  if (terms.length < count) return null; // not all of them are here
  const maps = new Map();
  for (const [value, [x, w]] of terms) {
    const [row, column] = [0, 0, ...w[1].slice(0, -2)].slice(-2);
    const map = maps.get(x[1].at(-1)) ?? maps.set(x[1].at(-1), { sum: 0, cells: [] }).get(x[1].at(-1));
    map.sum += value;
    map.cells.push({ row, column, x, w, value });
  }
  const all = [...maps.values()].flatMap(({ cells }) => cells);
  const limits = [largest(all, ({ x }) => x[2]), largest(all, ({ w }) => w[2]), largest(all, ({ value }) => value)];
  const size = { rows: 1 + Math.max(...all.map(({ row }) => row)), columns: 1 + Math.max(...all.map(({ column }) => column)) };
  const order = [...maps].sort(([, one], [, other]) => Math.abs(other.sum) - Math.abs(one.sum));
  const lines = order.slice(0, SHOWN).map(([channel, { sum, cells }]) =>
    element(
      "p",
      { className: "windows" },
      element("span", { className: "where", textContent: `map ${channel}, together ${short(sum)}` }),
      grid(cells, size, ({ x }) => x, limits[0], button),
      "·",
      grid(cells, size, ({ w }) => w, limits[1], button),
      "=",
      grid(cells, size, ({ value }) => [null, null, value], limits[2], null),
    ),
  );
  const rest = order.slice(SHOWN).reduce((total, [, { sum }]) => total + sum, 0);
  if (order.length > SHOWN) {
    lines.push(element("p", { textContent: `… and ${order.length - SHOWN} more maps, together ${short(rest)}` }));
  }
  return element("div", {}, ...lines);
}

/** The window that was pooled, what counts in it ringed. @param {Origin} step @param {Button} button */
function pooled({ terms }, button) {
  const cells = terms.map(([value, [x]]) => {
    const [row, column] = [0, 0, ...x[1].slice(1, -1)].slice(-2);
    return { row, column, x, value };
  });
  const corner = { row: Math.min(...cells.map(({ row }) => row)), column: Math.min(...cells.map(({ column }) => column)) };
  for (const cell of cells) {
    cell.row -= corner.row;
    cell.column -= corner.column;
  }
  const size = { rows: 1 + Math.max(...cells.map(({ row }) => row)), columns: 1 + Math.max(...cells.map(({ column }) => column)) };
  const limit = largest(cells, ({ x }) => x[2]);
  return element("p", { className: "windows" }, grid(cells, size, ({ x }) => x, limit, button, ({ value }) => value !== 0));
}

/** For each class x, exp(x − max) and its share of their sum; ours in bold. @param {Origin} step @param {Button} button */
function shares({ number: [, index], terms: [[, reads]] }, button) {
  const numbers = reads.map(([, , value]) => value);
  if (!numbers.every(Number.isFinite)) return null;
  const most = Math.max(...numbers);
  const exps = numbers.map((value) => Math.exp(value - most));
  const sum = exps.reduce((total, exp) => total + exp, 0);
  const own = reads.findIndex(([, at]) => at.join() === index.join());
  const rows = reads.map((figure, place) => {
    const cells = [button(figure), short(exps[place]), percent(exps[place] / sum)];
    const row = element("tr", {}, element("th", { scope: "row", textContent: figure[1].at(-1) }));
    row.append(...cells.map((cell) => element("td", {}, cell)));
    row.classList.toggle("own", place === own);
    return row;
  });
  const head = element("tr", {}, ...["", "x", `exp(x − ${short(most)})`, "share"].map((textContent) => element("th", { textContent })));
  return element("table", { className: "shares" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

/** Numbers in rows and columns, in the colours of their signs; each opens if there is a button for it. */
function grid(cells, { rows, columns }, figureOf, limit, button, isRinged = () => false) {
  const made = element("span", { className: "grid" });
  const side = Math.max(18, Math.min(40, Math.floor(124 / columns)));
  made.style.gridTemplate = `repeat(${rows}, ${side}px) / repeat(${columns}, ${side}px)`;
  for (const cell of cells) {
    const figure = figureOf(cell);
    const box = button ? button(figure) : element("span");
    const share = Number.isFinite(figure[2]) ? figure[2] / limit : 0;
    box.classList.add("cell");
    box.textContent = side < 34 || typeof figure[2] !== "number" ? "" : (fitting(figure[2], 6) ?? "");
    box.style.gridArea = `${cell.row + 1} / ${cell.column + 1}`;
    box.style.backgroundColor = color(share);
    box.classList.toggle("far", Math.abs(share) > 0.5);
    box.classList.toggle("ringed", isRinged(cell));
    if (button) box.tabIndex = -1; // the list of terms has them for the keyboard
    made.append(box);
  }
  return made;
}

function largest(cells, of) {
  return Math.max(...cells.map((cell) => Math.abs(of(cell))).filter(Number.isFinite), 0) || 1;
}

// The page: paper, answer and layers, and the tools that change them.

import { Anatomy } from "./anatomy.js";
import { Answer } from "./answer.js";
import { onSchemeChange } from "./colors.js";
import { byId, onZoom } from "./dom.js";
import { look, mapsOf, network as networkOf, Pen } from "./engine.js";
import { Figure } from "./figure.js";
import { History } from "./history.js";
import { keep, kept } from "./memory.js";
import { Pad } from "./pad.js";
import { go, here } from "./place.js";
import { Probabilities } from "./probabilities.js";

const NEAR = "200px 0px"; // around the screen

const network = await networkOf();
const drawings = new History();
const brush = byId("brush");
const answer = new Answer(network.classes);
const pad = new Pad(byId("pad"), strokeGrew, () => redraw());
const engine = new Pen(show, (sentence) => notice("engine", sentence));
const figures = new Map(network.layers.map((layer, index) => [layer.name, figureOf(layer, index)]));

const anatomy = new Anatomy(network);
/** All maps of each layer. @type {import("./engine.js").Part[]} */
const everything = network.layers.map(({ shape }, number) => [number, 0, shape.at(-1)]);
/** The layers that are on the screen, or nearly: only their maps are asked for and painted while the pen moves. */
const near = new Set([network.layers.length - 1]); // the probabilities are always shown
/** @type {string | null} the input that is shown */
let input = null;
/** The stroke that the pen is drawing. */
let growing = null;
/** What went wrong, apart: an answer ends the engine's trouble, but says nothing about a picture. */
const troubles = { engine: "", picture: "" };
let scheduled = false;

document.body.append(anatomy.element);
brush.value = kept("brush", brush.value);
byId("model").textContent = network.name;
byId("invitation").textContent = network.classes.every((label) => /^\d$/.test(label)) ? "Draw a digit" : "Draw here";
document.documentElement.style.setProperty("--letters", Math.max(...network.classes.map((label) => label.length)));
document.title = `Striate: ${network.name}`;

function figureOf(layer, index) {
  const onPick = (cell) => go({ layer: layer.name, cell });
  const isLast = index === network.layers.length - 1;
  if (isLast) return new Probabilities(byId("probabilities"), layer, network.classes, onPick);
  return new Figure(byId(index === 0 ? "input" : "layers"), layer, onPick);
}

function strokeGrew(stroke, done) {
  if (!growing) notice("picture", "");
  growing = done ? null : stroke;
  if (done) drawings.push({ strokes: [...drawings.current.strokes, stroke], picture: null });
  changed();
}

/** The drawing so far, with the growing stroke; on a picture that begins a new one. */
function current() {
  const { strokes, picture } = drawings.current;
  return growing ? { strokes: [...strokes, growing], picture: null } : { strokes, picture };
}

/** Show the paper, and ask about it, once for each frame of the screen. */
function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    redraw();
    const { strokes, picture } = current();
    if (picture) show(picture.answer);
    else if (strokes.length) engine.ask(strokes, brush.valueAsNumber, nearby());
    else show(null);
  });
}

/** Whether somebody may be looking at a layer: it is near, or the address names it, so that it may be enlarged. */
function isLookedAt(number) {
  return near.has(number) || network.layers[number].name === here()?.layer;
}

function nearby() {
  return everything.filter(([number]) => isLookedAt(number));
}

/** A layer came onto the screen, or left it. @param {IntersectionObserverEntry[]} entries */
function moved(entries) {
  for (const { target, isIntersecting } of entries) {
    const number = network.layers.findIndex(({ name }) => figures.get(name).element === target);
    if (!isIntersecting) near.delete(number);
    else if (!near.has(number)) {
      near.add(number);
      fill(number);
    }
  }
}

/** Show a layer of the newest answer, whose maps were not asked for with it. */
async function fill(number) {
  const asked = input;
  const figure = figures.get(network.layers[number].name);
  if (!asked) {
    figure.show(null);
    return;
  }
  const maps = await mapsOf(asked, everything[number]).catch(() => null); // the next answer brings them
  if (asked === input) figure.show(maps);
}

function redraw() {
  pad.paint(current(), brush.valueAsNumber);
  byId("invitation").hidden = Boolean(growing) || !drawings.isEmpty;
  byId("undo").disabled = !drawings.canUndo;
  byId("redo").disabled = !drawings.canRedo;
  byId("clear").disabled = drawings.isEmpty;
}

/** @param {import("./engine.js").Answer | null} given */
function show(given) {
  input = given?.input ?? null;
  answer.show(given);
  anatomy.show(input, anatomy.spotAt(here()));
  network.layers.forEach(({ name }, number) => {
    const maps = given?.maps.get(number);
    if (maps || !given) figures.get(name).show(maps ?? null);
    else if (isLookedAt(number)) fill(number); // it has come onto the screen since they were asked for
    else figures.get(name).rest();
  });
}

function resized() {
  keep("brush", brush.value);
  changed();
}

/** @param {"engine" | "picture"} of */
function notice(of, sentence) {
  troubles[of] = sentence;
  byId("notice").textContent = troubles.picture || troubles.engine;
}

/** Go to another drawing of this visit, or to none. */
function turn(step) {
  growing = null;
  pad.abandon();
  engine.forget();
  drawings[step]();
  notice("engine", "");
  notice("picture", "");
  changed();
}

async function openPicture(file) {
  if (!file) return;
  notice("picture", "");
  try {
    const given = await look(file);
    await Promise.all(nearby().map(async (part) => given.maps.set(part[0], await mapsOf(given.input, part))));
    const bitmap = await createImageBitmap(file);
    engine.forget();
    drawings.push({ strokes: [], picture: { bitmap, answer: given } });
    changed();
  } catch (error) {
    notice("picture", error.message);
  }
}

function goThere() {
  const place = here();
  anatomy.show(input, anatomy.spotAt(place));
  if (place) figures.get(place.layer)?.reveal();
  for (const [name, figure] of figures) figure.select(place?.layer === name ? place.cell : null);
}

byId("undo").addEventListener("click", () => turn("undo"));
byId("redo").addEventListener("click", () => turn("redo"));
byId("clear").addEventListener("click", () => turn("clear"));
byId("open").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", ({ target }) => {
  openPicture(target.files[0]);
  target.value = ""; // so that the same file can be opened again
});
brush.addEventListener("input", resized);

addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && key === "z") turn(event.shiftKey ? "redo" : "undo");
  else if (command && key === "y") turn("redo");
  else if (command && key === "o") byId("file").click();
  else if (!command && event.key === "Delete") turn("clear");
  else if (!command && (key === "[" || key === "]")) {
    brush[key === "[" ? "stepDown" : "stepUp"]();
    resized();
  } else if (event.key === "Escape" && !event.defaultPrevented && here()) anatomy.back();
  else return;
  event.preventDefault();
});
addEventListener("click", ({ target }) => {
  if (here()?.cell && !target.closest("#pad, #anatomy, .maps, button, a, label")) go(null); // beside the enlarged map
});
addEventListener("paste", ({ clipboardData }) => openPicture(clipboardData.files[0]));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  openPicture(event.dataTransfer.files[0]);
});
addEventListener("hashchange", goThere);
const watching = new IntersectionObserver(moved, { rootMargin: NEAR });
for (const { element } of [...figures.values()].slice(0, -1)) watching.observe(element);
new ResizeObserver(redraw).observe(byId("pad"));
onZoom(redraw);
onSchemeChange(() => {
  redraw();
  for (const figure of figures.values()) figure.repaint();
});
changed();
goThere();

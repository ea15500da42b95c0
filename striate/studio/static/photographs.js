// The page for photographs: a picture, its likeliest classes, and every layer's maps.

import { Anatomy } from "./anatomy.js";
import { Answer } from "./answer.js";
import { onSchemeChange } from "./colors.js";
import { byId, element } from "./dom.js";
import { frameOf, look, mapsOf, network as networkOf, recall } from "./engine.js";
import { Layers } from "./layers.js";
import { Likeliest } from "./likeliest.js";
import { keep, kept } from "./memory.js";
import { go, here } from "./place.js";
/** @typedef {import("./engine.js").Answer} Sight */

const PATIENCE = 300; // milliseconds of silence before the page says what it waits for
const GONE = 410; // the status of a picture that the server does not keep any more

const network = await networkOf();
const last = network.layers.at(-1);
const answer = new Answer(network.classes);
const likeliest = new Likeliest(byId("likeliest"), network.classes, (number) => {
  const channel = Math.min(number, last.shape.at(-1) - 1); // a single output tells two classes apart
  go({ layer: last.name, cell: { channel } });
});
const layers = new Layers(byId("layers"), byId("outline"), network.layers, go, loadMaps);

const anatomy = new Anatomy(network);

/** @type {Sight | null} */
let shown = null;
/** @type {Blob | null} the file of what is shown, in case the server forgets it */
let file = null;
/** @type {AbortController | null} the picture that is being looked at */
let looking = null;
/** @type {Promise<void> | null} the upload of a picture that the server forgot */
let lookingAgain = null;

document.body.append(anatomy.element);
byId("model").textContent = network.name;
byId("notes").append(...network.notes.map((textContent) => element("p", { className: "note", textContent })));
document.title = `Striate: ${network.name}`;

function notice(text) {
  byId("notice").textContent = text;
}

/** Look at a picture; what was shown before stays until there is an answer. */
async function open(files) {
  const [chosen] = files;
  if (!chosen) return;
  looking?.abort();
  const mine = (looking = new AbortController());
  notice(files.length > 1 ? `One picture at a time: this is the first of ${files.length}.` : "");
  const progress = startProgress();
  try {
    const sight = await look(chosen, mine.signal);
    file = chosen;
    show(sight);
  } catch (error) {
    if (!mine.signal.aborted) notice(error.message);
  } finally {
    progress.end();
    if (looking === mine) looking = null;
  }
}

/** Say how long an answer takes, once it is not there at once. */
function startProgress() {
  const begin = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - begin) / 1000);
    byId("stop").hidden = false;
    byId("progress").textContent =
      seconds < 2 ? "Working…" : `Working: ${seconds} s. The first picture waits until the network is compiled.`;
  }, PATIENCE);
  return {
    end() {
      clearInterval(timer);
      byId("stop").hidden = true;
      byId("progress").textContent = "";
    },
  };
}

/** @param {Sight | null} sight */
function show(sight) {
  shown = sight;
  keep("picture", sight?.input ?? null);
  const image = byId("seen");
  image.src = frameOf(sight.input);
  image.alt = "The part of the picture that the network sees";
  const [height, width] = network.layers[0].shape;
  image.classList.toggle("coarse", Math.max(height, width) < 100);
  image.hidden = false;
  byId("open").hidden = true;
  byId("another").hidden = false;
  const classified = sight.probabilities.length > 0;
  answer.show(classified ? sight : null);
  likeliest.show(classified ? sight.probabilities : null);
  layers.refresh();
  anatomy.show(shown.input, anatomy.spotAt(here()));
}

/** Some maps of a layer; null where there are none. */
async function loadMaps(index, first, count) {
  const asked = shown;
  if (!asked) return null;
  const { input } = asked;
  try {
    return await mapsOf(input, [index, first, count]).catch(async (error) => {
      if (error.cause !== GONE || !file) throw error;
      await (lookingAgain ??= lookAgain()); // other pictures took its place
      return mapsOf(input, [index, first, count]);
    });
  } catch (error) {
    if (shown === asked && !looking) notice(error.message); // errors of a picture that is not shown any more are dropped
    return null;
  }
}

async function lookAgain() {
  try {
    await look(file);
  } finally {
    lookingAgain = null;
  }
}

function goThere() {
  const place = here();
  layers.go(place);
  anatomy.show(shown?.input ?? null, anatomy.spotAt(place));
}

function stop() {
  looking?.abort();
}

for (const id of ["open", "another"]) byId(id).addEventListener("click", () => byId("file").click());
byId("stop").addEventListener("click", stop);
byId("file").addEventListener("change", ({ target }) => {
  open([...target.files]);
  target.value = ""; // so that the same file can be opened again
});
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "o") byId("file").click();
  else if (event.key === "Escape" && looking) stop();
  else if (event.key === "Escape" && !event.defaultPrevented && here()?.cell) anatomy.back();
  else return;
  event.preventDefault();
});
addEventListener("click", ({ target }) => {
  if (here()?.cell && !target.closest("#anatomy, .maps, button, a, label")) go(null); // beside the enlarged map
});
addEventListener("paste", ({ clipboardData }) => open([...clipboardData.files]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("paper").classList.add("dropping");
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) byId("paper").classList.remove("dropping");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  byId("paper").classList.remove("dropping");
  open([...event.dataTransfer.files]);
});
addEventListener("hashchange", goThere);
onSchemeChange(() => {
  likeliest.repaint();
  layers.repaint();
});
goThere();
const before = kept("picture", null);
const remembered = before && (await recall(before));
if (remembered && !shown) show(remembered);

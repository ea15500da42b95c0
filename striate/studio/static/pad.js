// The paper: takes strokes from a mouse, a finger, a pen or the arrow keys, and shows them.

import { arrow, clamp } from "./arrows.js";
import { color } from "./colors.js";

/** @typedef {import("./history.js").Stroke} Stroke */

const LEAST = 0.003; // points closer than this to the one before say nothing new
const KEY_STEP = 0.025;

export class Pad {
  #canvas;
  #onStroke;
  #onPen;
  /** @type {Stroke | null} the stroke that is being drawn */
  #stroke = null;
  #pointer = null;
  /** @type {[number, number] | null} where the keyboard holds its pen */
  #keyPen = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(stroke: Stroke, done: boolean) => void} onStroke called whenever a stroke grows, and when it is done
   * @param {() => void} onPen called when only the pen moved, and the paper should be painted again
   */
  constructor(canvas, onStroke, onPen) {
    this.#canvas = canvas;
    this.#onStroke = onStroke;
    this.#onPen = onPen;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#up(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#putAway());
  }

  /** @param {import("./history.js").State} state with the stroke that is being drawn @param {number} width of the brush */
  paint({ strokes, picture }, width) {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    Object.assign(this.#canvas, { width: side, height: side });
    const context = this.#canvas.getContext("2d");
    if (picture) paintPicture(context, picture.bitmap, side);
    context.scale(side, side);
    context.lineCap = "round";
    context.lineJoin = "round";
    context.lineWidth = width;
    context.strokeStyle = color(1);
    for (const stroke of strokes) paintStroke(context, stroke);
    if (this.#keyPen) paintPen(context, this.#keyPen, width, Boolean(this.#stroke));
  }

  /** Forget the stroke that is being drawn. */
  abandon() {
    this.#stroke = null;
    this.#pointer = null;
  }

  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#putAway();
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#stroke = [];
    this.#extend(this.#point(event));
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) this.#extend(this.#point(part));
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#finish();
  }

  #key(event) {
    const step = arrow(event);
    if (step) {
      const length = event.shiftKey ? KEY_STEP / 5 : KEY_STEP;
      const [x, y] = this.#keyPen ?? [0.5, 0.5];
      this.#keyPen = [clamp(x + step[1] * length, 0, 1), clamp(y + step[0] * length, 0, 1)];
      if (this.#stroke) this.#extend(this.#keyPen);
      else this.#onPen();
    } else if (event.key === " ") {
      this.#keyPen ??= [0.5, 0.5];
      if (this.#stroke) this.#finish();
      else {
        this.#stroke = [];
        this.#extend(this.#keyPen);
      }
    } else if (event.key === "Escape" && this.#keyPen) {
      this.#putAway();
    } else {
      return;
    }
    event.preventDefault();
  }

  #putAway() {
    this.#keyPen = null;
    if (this.#stroke && this.#pointer === null) this.#finish();
    else this.#onPen();
  }

  #extend([x, y]) {
    const last = this.#stroke.at(-1);
    if (last && Math.hypot(x - last[0], y - last[1]) < LEAST) return;
    this.#stroke.push([rounded(x), rounded(y)]);
    this.#onStroke(this.#stroke, false);
  }

  #finish() {
    const stroke = this.#stroke;
    this.#stroke = null;
    this.#onStroke(stroke, true);
  }

  /** @returns {[number, number]} */
  #point(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [clamp((event.clientX - left) / width, 0, 1), clamp((event.clientY - top) / height, 0, 1)];
  }
}

function rounded(share) {
  return Math.round(share * 1e4) / 1e4;
}

function paintStroke(context, stroke) {
  context.beginPath();
  context.moveTo(...stroke[0]);
  for (const point of stroke) context.lineTo(...point);
  context.stroke();
}

/** The keyboard's pen: a ring as wide as the brush, thicker when it is down. */
function paintPen(context, [x, y], width, isDown) {
  context.beginPath();
  context.arc(x, y, width / 2 + 0.01, 0, 2 * Math.PI);
  context.lineWidth = isDown ? 0.01 : 0.004;
  context.stroke();
}

/** The whole picture, as large as the paper allows. */
function paintPicture(context, bitmap, side) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
}

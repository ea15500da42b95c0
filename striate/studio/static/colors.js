// Colour means sign and size: blue above zero, orange below, and zero the same neutral in every picture.
// The scales are straight lines in the lightness of OKLCH, so equal steps look equal; blue and orange stay apart for
// every kind of colour vision.

const SCHEMES = {
  light: { zero: 0.955, one: 0.36, chroma: 0.17 },
  dark: { zero: 0.25, one: 0.93, chroma: 0.13 },
};
const BLUE = 262;
const ORANGE = 52;
const STEPS = 255; // colours on either side of zero

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Colours of −STEPS … STEPS as the pixels of an ImageData, for the scheme that the reader prefers. */
let pixels = ramp();

/** Calls back whenever the reader's scheme changes; also makes the ends of the scale known to the style sheet. */
export function onSchemeChange(callback) {
  publish();
  dark.addEventListener("change", () => {
    pixels = ramp();
    publish();
    callback();
  });
}

/** The pixel (as in a Uint32Array over ImageData) of a share of the scale's end, −1 … 1. */
export function pixel(share) {
  return pixels[STEPS + Math.round(share * STEPS)];
}

/** The same colour for the style sheet. */
export function color(share) {
  const value = pixel(share);
  return `rgb(${value & 255} ${(value >> 8) & 255} ${(value >> 16) & 255})`;
}

function publish() {
  for (const [name, share] of [["--zero", 0], ["--one", 1], ["--minus-one", -1]]) {
    document.documentElement.style.setProperty(name, color(share));
  }
}

function ramp() {
  const { zero, one, chroma } = SCHEMES[dark.matches ? "dark" : "light"];
  return Uint32Array.from({ length: 2 * STEPS + 1 }, (_, index) => {
    const share = index / STEPS - 1;
    const size = Math.abs(share);
    // Most chroma in the middle: there is little of it near black and white.
    return packed(zero + (one - zero) * size, chroma * Math.sin((Math.PI * size) / 1.35) ** 0.9, share < 0 ? ORANGE : BLUE);
  });
}

/** OKLCH to an opaque sRGB pixel; https://bottosson.github.io/posts/oklab/ */
function packed(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const red = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
  const green = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
  const blue = -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s;
  return ((255 << 24) | (byte(blue) << 16) | (byte(green) << 8) | byte(red)) >>> 0;
}

function byte(linear) {
  const clipped = Math.min(Math.max(linear, 0), 1);
  return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
}

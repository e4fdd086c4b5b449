/** The colors of weights, for pictures and for the legends beside them. */

import { element } from "./dom.js";
import { manifest } from "./manifest.js";

/** @typedef {"light" | "dark"} Mode */

const darkMode = matchMedia("(prefers-color-scheme: dark)");

/** @returns {Mode} */
export const mode = () => (darkMode.matches ? "dark" : "light");

/** @param {() => void} listener */
export function onModeChange(listener) {
  darkMode.addEventListener("change", listener);
}

/** Has the light colors of the style sheet, whatever the page looks like. */
const paper = element("div", { class: "paper", hidden: true });
document.body.append(paper);

/**
 * A color of the style sheet. Dark ones can be read while the page is dark, light ones always.
 * @param {string} variable
 * @param {Mode} which
 */
export const colorOf = (variable, which) =>
  getComputedStyle(which === "light" ? paper : document.documentElement)
    .getPropertyValue(variable)
    .trim();

/**
 * 256 colors as pixels of an ImageData, from weight 0 to the ceiling.
 * @type {Record<Mode, Uint32Array>}
 */
const colors = { light: ramp(manifest.ramps.light), dark: ramp(manifest.ramps.dark) };

/** Step of a color of change that stands for none; half of the others are less, half are more. */
export const NO_CHANGE = 128;
export const STEPS_OF_CHANGE = 127;

/** As many colors from the largest change to less through none to the largest to more. */
const changes = {
  light: ramp(manifest.ramps.lightChange, 1),
  dark: ramp(manifest.ramps.darkChange, 1),
};

for (const [name, stops] of Object.entries(manifest.ramps)) vega.scheme(`attn${name}`, stops);

/**
 * @param {string[]} stops
 * @param {number} [first] the step at which they begin; they end at 255
 */
function ramp(stops, first = 0) {
  const color = vega.interpolateColors(stops, "lab");
  return Uint32Array.from({ length: 256 }, (_, step) => {
    const share = Math.max(0, step - first) / (255 - first);
    return pixelOf((color(share).match(/\d+/g) ?? []).map(Number));
  });
}

/** @param {Mode} which */
export const pixelsOf = (which) => colors[which];

/** @param {Mode} which */
export const changePixelsOf = (which) => changes[which];

/**
 * The colors of a hatch, between its lines and on them: a cell without a weight must not look like
 * one whose weight is zero.
 * @param {Mode} which
 * @param {number} [opacity]
 * @returns {[number, number]}
 */
export const hatchPixels = (which, opacity = 1) => [
  pixelNamed("--masked", which, 255 * opacity),
  pixelNamed("--hatch", which, 255 * opacity),
];

/**
 * @param {string} variable a color of the style sheet in six digits
 * @param {Mode} which
 * @param {number} opacity from 0 to 255
 */
const pixelNamed = (variable, which, opacity) =>
  pixelOf(
    (colorOf(variable, which).match(/[\da-f]{2}/gi) ?? []).map((hex) => parseInt(hex, 16)),
    opacity,
  );

/** The color of weights over a picture, which it must not be mistaken for in light or dark. */
const HEAT = [255, 82, 0];
/** Stands in legends for the picture, which shows as it is where there is no weight. */
const PICTURE = [154, 154, 154];
vega.scheme("attnheat", [`rgb(${PICTURE})`, `rgb(${HEAT})`]);

/** @param {number} opacity from 0 to 255 */
export const heatPixel = (opacity) => pixelOf(HEAT, opacity);

/**
 * @param {number[]} color red, green and blue, from 0 to 255
 * @param {number} [opacity] likewise
 */
function pixelOf([red, green, blue], opacity = 255) {
  return ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

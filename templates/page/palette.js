/** The colors of weights, for pictures and for the legends beside them. */

import { manifest } from "./manifest.js";

/** @typedef {"light" | "dark"} Mode */

const darkMode = matchMedia("(prefers-color-scheme: dark)");

/** @returns {Mode} */
export const mode = () => (darkMode.matches ? "dark" : "light");

/** @param {() => void} listener */
export function onModeChange(listener) {
  darkMode.addEventListener("change", listener);
}

/** The color of a cell that a mask forbids, so that it does not look like a weight of zero. */
const MASKED = { light: 0xffe4e8ea, dark: 0xff0a0c10 };

/**
 * 256 colors as pixels of an ImageData, from weight 0 to the ceiling.
 * @type {Record<Mode, Uint32Array>}
 */
const colors = { light: ramp(manifest.ramps.light), dark: ramp(manifest.ramps.dark) };

for (const [name, stops] of Object.entries(manifest.ramps)) vega.scheme(`attn${name}`, stops);

/** @param {string[]} stops */
function ramp(stops) {
  const color = vega.interpolateColors(stops, "lab");
  return Uint32Array.from({ length: 256 }, (_, step) => {
    const [red, green, blue] = (color(step / 255).match(/\d+/g) ?? []).map(Number);
    return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

/** @param {Mode} which */
export const pixelsOf = (which) => colors[which];

/** @param {Mode} which */
export const maskedPixel = (which) => MASKED[which];

/** How large charts are, from the room that they have and from what they show. */

import { classesOf } from "./channels.js";
import { find } from "./dom.js";
import { isSelf, keyAxis, manifest, mostHeads, stackAt } from "./manifest.js";
import { shownState } from "./state.js";
import { chartNamed } from "./views.js";

/** Room beside a plot for its axis labels, in pixels. */
const TOKEN_LABELS = 100;
const NO_LABELS = 20;
const COUNT_LABELS = 44;

/** The labels of the keys, as charts/heatmap.py draws them. */
const LONGEST_LABEL = 90;
const LABEL_SLANT = Math.PI / 3;
const CHARACTER = 6.5;
/** The longest name of a class, as charts/confusion.py draws it. */
const CLASS_LABELS = 130;

const stackNow = () => stackAt(shownState().stack);

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/**
 * The width and height of the heatmap's plot: square cells, unless one side is very long.
 * @param {number} width
 */
export function heatmapSize(width) {
  const queries = stackNow().query.labels.length;
  const keys = keyAxis(stackNow()).labels;
  const room = width - TOKEN_LABELS;
  const plot = clamp(room - overhang(keys, room), 180, widestPlot(keys));
  const height = (plot * queries) / keys.length;
  return { width: plot, height: clamp(height, Math.min(queries * 16, 320, plot), 900) };
}

/**
 * One of the matrices that stand side by side; only the first has labels on its left.
 * @param {number} width
 * @param {boolean} labelled
 */
export function sideSize(width, labelled) {
  const queries = stackNow().query.labels.length;
  const keys = keyAxis(stackNow()).labels;
  const room = width - (labelled ? TOKEN_LABELS : NO_LABELS);
  const plot = clamp(room - overhang(keys, room), 120, widestPlot(keys));
  const height = (plot * queries) / keys.length;
  return { width: plot, height: clamp(height, Math.min(queries * 14, 320, plot), 700) };
}

/**
 * As wide as the heatmap above it, or as a single row with its words below needs.
 * @param {number} width
 */
export function rowSize(width) {
  const stack = stackNow();
  if (!stack.conditions.includes("no-matrix")) return { width: heatmapSize(width).width };
  const keys = keyAxis(stack).labels.length;
  return { width: clamp(keys * 24, 180, Math.max(180, width - TOKEN_LABELS)) };
}

/** @param {string[]} keys */
const widestPlot = (keys) => Math.min(600, Math.max(360, keys.length * 60));

/** Gives the heatmap no more room than it fills, so that the lines stand beside it. */
export function placeHeatmap() {
  const keys = keyAxis(stackNow()).labels;
  const plot = widestPlot(keys);
  const widest = TOKEN_LABELS + plot + Math.ceil(overhang(keys, plot));
  find("#one .one > :first-child").style.maxWidth = `${widest}px`;
}

/**
 * About how far the slanted labels of the last keys reach beyond a plot of the given width.
 * @param {string[]} labels
 * @param {number} width
 */
function overhang(labels, width) {
  const cell = width / labels.length;
  const reach = labels.map((text, key) => {
    const across = Math.min(LONGEST_LABEL, text.length * CHARACTER) * Math.cos(LABEL_SLANT);
    return across - (labels.length - key - 0.5) * cell;
  });
  return Math.max(0, ...reach.slice(-12));
}

/**
 * @param {number} width
 * @param {number} most width of the whole grid
 * @param {number} largest side of a cell
 */
export function gridSize(width, most, largest) {
  const stack = stackNow();
  const plot = clamp(width - COUNT_LABELS, 180, most);
  const layers = stack.heads.length;
  const cell = Math.min(plot / mostHeads(stack), largest, 900 / layers);
  return { width: cell * mostHeads(stack), height: Math.max(cell * layers, layers * 8) };
}

/** @param {number} width */
export function linesSize(width) {
  const heatmap = chartNamed("heatmap");
  const below = width > innerWidth * 0.6;
  const rows = Math.max(stackNow().query.labels.length, keyAxis(stackNow()).labels.length);
  // Beside a heatmap of the same rows, rows stand beside rows; other ones need room of their own.
  const needs = rows <= 72 ? rows * (isSelf(stackNow()) ? 8 : 13) : 0;
  const beside = Math.max(heatmap ? heatmap.view.height() : 520, needs);
  return {
    width: clamp(width - 200, 80, 240),
    height: below && rows <= 72 ? Math.max(rows * 17, 160) : Math.max(beside, 160),
  };
}

/** @param {number} width */
export function entropySize(width) {
  const queries = stackNow().query.labels.length;
  return {
    width: clamp(width - TOKEN_LABELS - 16, 120, 760),
    height: clamp(queries * 18, 60, 420),
  };
}

/** @param {number} width */
export function flowSize(width) {
  const queries = stackNow().query.labels.length;
  return {
    width: clamp(width - 2 * TOKEN_LABELS, 80, 900),
    height: clamp(queries * 17, 120, 1000),
  };
}

/**
 * Square pixels, or square cells where there is no picture.
 * @param {"query" | "key"} side
 * @param {number} most longest side
 * @returns {import("./views.js").Sizing}
 */
export const mapSize = (side, most) => (width) => {
  const stack = stackNow();
  const axis = side === "key" ? keyAxis(stack) : stack.query;
  const number = stack.pictures[side === "query" || isSelf(stack) ? 0 : 1];
  const picture = number === null ? null : manifest.pictures[number];
  const [wide, high] = [picture?.width ?? axis.width ?? 1, picture?.height ?? axis.height ?? 1];
  const scale = Math.min(clamp(width - 8, 60, most) / wide, most / high);
  return { width: wide * scale, height: high * scale };
};

/** @param {number} width */
export function confusionSize(width) {
  const labels = manifest.confusion?.labels ?? [];
  const longest = Math.max(...labels.map(({ length }) => length));
  // Names of many classes are written small.
  const letter = CHARACTER * clamp(width / labels.length / 16, 0.7, 1);
  const room = width - Math.min(CLASS_LABELS, longest * letter) - 34;
  const plot = clamp(room - overhang(labels, room), 140, 420);
  return { width: plot, height: Math.max(plot, Math.min(420, labels.length * 11)) };
}

/** @type {import("./views.js").Sizing} */
export const channelsSize = (width) => ({ width: clamp(width - TOKEN_LABELS, 160, 1000) });

/** @type {import("./views.js").Sizing} */
export const classChannelsSize = (width) => ({
  width: clamp(width - TOKEN_LABELS, 160, 1000),
  height: clamp(20 * classesOf(shownState().stack).length, 40, 420),
});

/** @param {number} width */
export function scatterSize(width) {
  return { width: clamp(width - 56, 160, 460), height: 250 };
}

/** What charts are told: the shown state and everything that follows from it. */

import { cssVariable } from "./dom.js";
import { visible } from "./format.js";
import { keyAxis, mostHeads, stackAt, statisticsOf } from "./manifest.js";
import { mode } from "./palette.js";
import { labelStep } from "./rows.js";

/** Up to here the color scale ends at 1; a longer text would be nearly blank. */
const SHORT_TEXT = 72;

/** @typedef {Record<string, unknown>} Signals */

/**
 * @param {Readonly<import("./types").State>} state
 * @returns {Signals}
 */
export function signalsOf(state) {
  const stack = stackAt(state.stack);
  return { ...state, ...shapeOf(state.stack), ...skin(), ceiling: ceilingOf(stack, state) };
}

/** @type {Map<number, Signals>} */
const shapes = new Map();

/**
 * Sizes and labels of a stack, made once: a label array that is the same object is not sent again.
 * @param {number} stackIndex
 */
function shapeOf(stackIndex) {
  let shape = shapes.get(stackIndex);
  if (!shape) {
    const stack = stackAt(stackIndex);
    const keys = keyAxis(stack);
    shape = {
      layers: stack.heads.length,
      layerNumbers: stack.layerNumbers,
      heads: mostHeads(stack),
      queries: stack.query.labels.length,
      keys: keys.labels.length,
      queryLabels: stack.query.labels.map(visible),
      keyLabels: keys.labels.map(visible),
      queryTicks: ticks(stack.query),
      keyTicks: ticks(keys),
    };
    shapes.set(stackIndex, shape);
  }
  return shape;
}

/** @param {import("./types").Axis} axis */
function ticks(axis) {
  const step = labelStep(axis);
  return Array.from({ length: Math.ceil(axis.labels.length / step) }, (_, i) => i * step + 0.5);
}

/**
 * @param {import("./types").Stack} stack
 * @param {Readonly<import("./types").State>} state
 */
export function ceilingOf(stack, state) {
  const longest = Math.max(stack.query.labels.length, keyAxis(stack).labels.length);
  if (longest <= SHORT_TEXT) return 1;
  const { peak } = statisticsOf(stack, state.layer, state.head);
  return Number(Math.min(1, Math.max(peak, 1e-3)).toPrecision(2));
}

/** @type {{ mode: string, signals: Signals } | null} */
let current = null;

function skin() {
  if (current?.mode === mode()) return current.signals;
  const signals = {
    dark: mode() === "dark",
    bg: cssVariable("--panel"),
    fg: cssVariable("--ink"),
    muted: cssVariable("--muted"),
    rule: cssVariable("--line"),
    accent: cssVariable("--accent"),
    gold: cssVariable("--gold"),
    scheme: `attn${mode()}`,
  };
  current = { mode: mode(), signals };
  return signals;
}

/** Colors for paper, whatever the page looks like. @type {Signals} */
export const PAPER = {
  dark: false,
  bg: "#ffffff",
  fg: "#1d2127",
  muted: "#5b6370",
  rule: "#e5e7eb",
  accent: "#c8400c",
  gold: "#cf9400",
  scheme: "attnlight",
};

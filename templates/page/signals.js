/** What charts are told: the shown state and everything that follows from it. */

import { classesOf } from "./channels.js";
import { hidingOf } from "./head.js";
import { largest, least, statisticNamed, usualAxes } from "./heads.js";
import {
  drawnLabel,
  keyAxis,
  manifest,
  mostHeads,
  nounOf,
  stackAt,
  statisticsOf,
} from "./manifest.js";
import { colorOf, mode } from "./palette.js";
import { wantedKey } from "./ranking.js";
import { labelStep } from "./rows.js";
import { legendOf } from "./scales.js";

/** Up to here the color scale ends at the largest weight; a longer text would be nearly blank. */
const SHORT_TEXT = 72;

/** @typedef {Record<string, unknown>} Signals */

/** @param {import("./types").Stack} stack */
export const titleOf = (stack) => (nounOf(stack) === "weight" ? "attention weight" : nounOf(stack));

/**
 * @param {Readonly<import("./types").State>} state
 * @returns {Signals}
 */
export function signalsOf(state) {
  const stack = stackAt(state.stack);
  const ceiling = ceilingOf(stack, state);
  const legend = legendOf(state.scale, 0, ceiling, titleOf(stack));
  return {
    ...state,
    ...shapeOf(state.stack),
    ...skin(),
    ...legend,
    ceiling,
    hiding: hidingOf(state),
    wanted: wantedKey(state),
    ...scatterAxes(state),
  };
}

/**
 * What the scatter compares; a stack that lacks what was chosen has the usual statistics.
 * @param {Readonly<import("./types").State>} state
 */
function scatterAxes({ stack, across, up }) {
  const usual = usualAxes(stack);
  const right = statisticNamed(stack, across) ?? statisticNamed(stack, usual.across);
  const upward = statisticNamed(stack, up) ?? statisticNamed(stack, usual.up);
  return {
    across: right?.name ?? "",
    up: upward?.name ?? "",
    acrossStart: right ? least(right) : 0,
    acrossEnd: right ? largest(right) : 1,
    upStart: upward ? least(upward) : 0,
    upEnd: upward ? largest(upward) : 1,
  };
}

/**
 * What the chart of one map is told besides.
 * @param {() => import("./types").GridMap | null} mapNow
 * @returns {(signals: Signals) => Signals}
 */
export const withMap = (mapNow) => (signals) => {
  const map = mapNow();
  if (!map) return { ...signals, map: "", picture: -1, cell: -1 };
  const { id, columns, rows, low, high, cell, picture, linear } = map;
  const scale = linear ? "linear" : /** @type {import("./types").Scale} */ (signals.scale);
  return {
    ...signals,
    ...{ map: id, columns, rows, cell, picture: picture ?? -1, scale },
    ...legendOf(scale, low, high, String(signals.noun)),
    opacity: picture === null ? 1 : signals.opacity,
    scheme: picture === null ? signals.scheme : "attnheat",
  };
};

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
      noun: nounOf(stack),
      classes: stack.conditions.includes("class-means") ? classesOf(stackIndex) : [],
      layerNumbers: stack.layerNumbers,
      heads: mostHeads(stack),
      labels: manifest.confusion?.labels ?? [],
      single: stack.conditions.includes("no-matrix"),
      queries: stack.query.labels.length,
      keys: keys.labels.length,
      queryLabels: stack.query.labels.map((_, position) => drawnLabel(stack.query, position)),
      keyLabels: keys.labels.map((_, position) => drawnLabel(keys, position)),
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
 * Where the colors of a head end.
 * @param {import("./types").Stack} stack
 * @param {import("./types").HeadPlace} place
 */
export function ceilingOf(stack, { layer, head }) {
  const longest = Math.max(stack.query.labels.length, keyAxis(stack).labels.length);
  if (longest <= SHORT_TEXT) return stack.largest;
  const { peak } = statisticsOf(stack, layer, head);
  return Number(Math.min(stack.largest, Math.max(peak, 1e-3)).toPrecision(2));
}

/** The colors that charts are told, and the variables of the style sheet that hold them. */
const COLORS = {
  bg: "--panel",
  fg: "--ink",
  muted: "--muted",
  rule: "--line",
  accent: "--accent",
  gold: "--gold",
  first: "--first",
  second: "--second",
};

/** @type {Map<import("./palette.js").Mode, Signals>} */
const skins = new Map();

/**
 * The look of charts on a page of the given mode; light is also the look on paper.
 * @param {import("./palette.js").Mode} which
 */
export function skin(which = mode()) {
  let signals = skins.get(which);
  if (!signals) {
    signals = { dark: which === "dark", scheme: `attn${which}` };
    for (const [name, variable] of Object.entries(COLORS)) signals[name] = colorOf(variable, which);
    skins.set(which, signals);
  }
  return signals;
}

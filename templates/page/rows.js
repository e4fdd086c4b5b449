/** Answers to `attn:` addresses: the rows that charts draw. */

import { changeRows } from "./changes.js";
import { channelRows, classChannelRows } from "./channels.js";
import { confusionRows } from "./confusion.js";
import { deletionRows } from "./deletion.js";
import { flowEdges, flowNodes } from "./flow.js";
import { tip, weightText } from "./format.js";
import { stepRows } from "./generation.js";
import { statisticNamed, usualChance, valueText } from "./heads.js";
import {
  drawnLabel,
  headName,
  headsOf,
  keyAxis,
  label,
  patternTitle,
  stackAt,
  statisticsOf,
} from "./manifest.js";
import { outlineRows } from "./maps.js";
import { loadMask, maskNow } from "./masks.js";
import { wantedHeads } from "./ranking.js";
import { shadeOf } from "./scales.js";
import { pairedRows } from "./sides.js";
import { curveRows } from "./training.js";
import { loadHead } from "./weights.js";

/** More lines than this cannot be told apart, and all are drawn again when the pointer moves. */
export const MOST_EDGES = 500;
/** Weaker lines would be invisible. As a share of the stack's largest weight, like all of them. */
const FAINTEST_EDGE = 0.004;

/**
 * @typedef {object} Place what the address of rows about one head names
 * @property {number} stack
 * @property {number} layer
 * @property {number} head
 */

/** @type {Record<string, (parts: string[]) => object[] | Promise<object[]>>} */
const ANSWERS = {
  heads: ([stack, wanted = ""]) => headRows(Number(stack), wanted),
  points: ([stack, across, up, wanted]) => pointRows(Number(stack), across, up, wanted),
  even: ([stack, across, up]) => evenRows(Number(stack), across, up),
  row: ([stack, layer, head, q, hiding]) =>
    weightRows(place(stack, layer, head), Number(q), Number(hiding)),
  edges: ([stack, layer, head, hiding]) => edgeRows(place(stack, layer, head), Number(hiding)),
  "edges-from": ([stack, layer, head, q, hiding]) =>
    edgeRowsFrom(place(stack, layer, head), Number(q), Number(hiding)),
  pair: ([stack, q, k, hiding, scale]) =>
    pairRows(Number(stack), Number(q), Number(k), Number(hiding), /** @type {any} */ (scale)),
  changes: ([stack]) => changeRows(Number(stack)),
  "paired-row": ([stack, layer, head, against, to, other, q, hiding]) =>
    pairedRows(place(stack, layer, head), place(against, to, other), Number(q), Number(hiding)),
  entropy: ([stack, layer, head, hiding]) => entropyRows(place(stack, layer, head), Number(hiding)),
  steps: ([stack, layer, head, hiding, panel]) =>
    stepRows(Number(stack), Number(panel), () =>
      entropyRows(place(stack, layer, head), Number(hiding)),
    ),
  "flow-edges": ([stack, q]) => flowEdges(Number(stack), Number(q)),
  "flow-nodes": ([stack, q]) => flowNodes(Number(stack), Number(q)),
  reference: ([stack, layer]) =>
    (stackAt(Number(stack)).reference[Number(layer)] ?? []).map(([q, k]) => ({ q, k })),
  outline: ([what, id]) => outlineRows(what, id),
  confusion: confusionRows,
  deletion: deletionRows,
  curves: ([panel]) => curveRows(Number(panel)),
  channels: ([stack, layer, head, q]) => channelRows(place(stack, layer, head), Number(q)),
  "class-channels": ([stack, layer, head, q]) =>
    classChannelRows(place(stack, layer, head), Number(q)),
  "query-labels": ([stack]) => labelRows(stackAt(Number(stack)).query),
  "key-labels": ([stack]) => labelRows(keyAxis(stackAt(Number(stack)))),
};

/**
 * @param {string} address
 * @returns {Promise<object[]>}
 */
export async function rowsAt(address) {
  if (!address.startsWith("attn:")) throw new Error(`this page fetches nothing: ${address}`);
  const [kind, ...parts] = address.slice("attn:".length).split("/");
  return ANSWERS[kind](parts);
}

/**
 * @param {string} stack
 * @param {string} layer
 * @param {string} head
 * @returns {Place}
 */
const place = (stack, layer, head) => ({
  stack: Number(stack),
  layer: Number(layer),
  head: Number(head),
});

/**
 * @param {import("./types").Stack} stack
 * @param {number} layer
 * @param {number} head
 */
const tipTitle = ({ layerNumbers }, layer, head) => `layer ${layerNumbers[layer]} · head ${head}`;

/**
 * @param {number} stackIndex
 * @param {string} key which heads are wanted
 */
function headRows(stackIndex, key) {
  const stack = stackAt(stackIndex);
  const wanted = wantedHeads(stackIndex, key);
  return headsOf(stack).map(({ layer, head }, flat) => {
    const statistics = statisticsOf(stack, layer, head);
    const { pattern, facts } = statistics;
    const title = patternTitle(statistics);
    const name = `${headName(stack, layer, head)}: ${title}`;
    const lines = tip([[tipTitle(stack, layer, head), title], ...facts]);
    return { layer, head, pattern, name, tip: lines, wanted: wanted[flat] };
  });
}

/**
 * Heads as points of the scatter; one without both statistics has no place there.
 * @param {number} stackIndex
 * @param {string} across
 * @param {string} up
 * @param {string} key
 */
function pointRows(stackIndex, across, up, key) {
  const [right, upward] = [statisticNamed(stackIndex, across), statisticNamed(stackIndex, up)];
  if (!right || !upward) return [];
  return headRows(stackIndex, key).flatMap((row, flat) => {
    const [x, y] = [right.values[flat], upward.values[flat]];
    if (x === null || y === null) return [];
    /** @type {import("./types").Fact[]} */
    const facts = [right, upward].map((each) => [each.name, valueText(each, each.values[flat])]);
    const title = row.tip.split("\n")[0];
    return [{ ...row, x, y, tip: `${title}\n${tip(facts)}` }];
  });
}

/**
 * Where even attention would be.
 * @param {number} stackIndex
 * @param {string} across
 * @param {string} up
 */
function evenRows(stackIndex, across, up) {
  const [right, upward] = [statisticNamed(stackIndex, across), statisticNamed(stackIndex, up)];
  const [x, y] = [right && usualChance(right), upward && usualChance(upward)];
  if (!right || !upward || x === null || y === null) return [];
  /** @type {import("./types").Fact[]} */
  const facts = [right, upward].map((each) => [each.name, valueText(each, usualChance(each))]);
  return [{ x, y, tip: tip([["even attention", ""], ...facts]) }];
}

/**
 * @param {Place} where
 * @param {number} q
 * @param {number} hiding
 */
async function weightRows({ stack, layer, head }, q, hiding) {
  const weights = await loadHead(stack, layer, head);
  const from = label(stackAt(stack).query, q);
  const keys = keyAxis(stackAt(stack));
  return Array.from({ length: weights.keys }, (_, k) => {
    const w = weights.shown(q, k, hiding);
    return { k, w, tip: tip([[`${from} → ${label(keys, k)}`, weightText(w)]]) };
  });
}

/**
 * The strongest lines of a head.
 * @param {Place} where
 * @param {number} hiding
 */
async function edgeRows({ stack, layer, head }, hiding) {
  const weights = await loadHead(stack, layer, head);
  const { largest } = stackAt(stack);
  const faintest = weights.queries * weights.keys > 6000 ? 0.02 : FAINTEST_EDGE;
  const rows = [];
  for (let k = 0; k < weights.keys; k++) {
    for (let q = 0; q < weights.queries; q++) {
      const w = weights.shown(q, k, hiding) / largest;
      if (w >= faintest) rows.push({ q, k, w });
    }
  }
  if (rows.length > MOST_EDGES) {
    rows.sort((a, b) => b.w - a.w);
    rows.length = MOST_EDGES;
  }
  return rows;
}

/**
 * The lines of one query.
 * @param {Place} where
 * @param {number} q
 * @param {number} hiding
 */
async function edgeRowsFrom({ stack, layer, head }, q, hiding) {
  const weights = await loadHead(stack, layer, head);
  const { largest } = stackAt(stack);
  const rows = [];
  for (let k = 0; k < weights.keys; k++) {
    const w = weights.shown(q, k, hiding) / largest;
    if (w >= FAINTEST_EDGE) rows.push({ q, k, w });
  }
  return rows;
}

/**
 * @param {number} stackIndex
 * @param {number} q
 * @param {number} k
 * @param {number} hiding
 * @param {import("./types").Scale} scale
 */
async function pairRows(stackIndex, q, k, hiding, scale) {
  const stack = stackAt(stackIndex);
  const rows = headsOf(stack).map(async ({ layer, head }) => {
    const weights = await loadHead(stackIndex, layer, head);
    const masked = await isMasked(stackIndex, layer, head, q, k);
    const w = weights.shown(q, k, hiding);
    const most = scale === "row" ? weights.maximum(q, hiding) : stack.largest;
    const said = masked ? "masked" : weightText(w);
    return {
      layer,
      head,
      w,
      masked,
      share: w / stack.largest,
      shade: shadeOf(scale, w / most),
      name: `${headName(stack, layer, head)}: ${said}`,
      tip: tip([[tipTitle(stack, layer, head), said]]),
    };
  });
  // A damaged head is announced when it is chosen; here it leaves a gap and the others their cell.
  const settled = await Promise.allSettled(rows);
  return settled.flatMap((row) => (row.status === "fulfilled" ? [row.value] : []));
}

/**
 * A damaged mask is announced when its head is chosen; here all of it may be looked at.
 * @param {number} stack
 * @param {number} layer
 * @param {number} head
 * @param {number} q
 * @param {number} k
 */
async function isMasked(stack, layer, head, q, k) {
  await loadMask(stack, layer).catch(() => {});
  return maskNow(stack, layer, head)?.(q, k) === false;
}

/**
 * @param {Place} where
 * @param {number} hiding
 */
async function entropyRows({ stack, layer, head }, hiding) {
  const weights = await loadHead(stack, layer, head);
  const queries = stackAt(stack).query;
  const sums = new Float64Array(weights.queries);
  const logs = new Float64Array(weights.queries);
  for (let k = 0; k < weights.keys; k++) {
    for (let q = 0; q < weights.queries; q++) {
      const w = weights.shown(q, k, hiding);
      if (w <= 0) continue;
      sums[q] += w;
      logs[q] += w * Math.log2(w);
    }
  }
  // Rows of gates, and of weights stored in 8 bits, do not sum to one; entropy is of a row that does.
  return Array.from(sums, (sum, q) => {
    const entropy = sum > 0 ? Math.max(0, Math.log2(sum) - logs[q] / sum) : 0;
    return { q, entropy, tip: tip([[label(queries, q), `${entropy.toFixed(2)} bits`]]) };
  });
}

/** @param {import("./types").Axis} axis */
function labelRows(axis) {
  return axis.labels
    .map((_, position) => ({ position, label: drawnLabel(axis, position) }))
    .filter(({ position }) => position % labelStep(axis) === 0);
}

/**
 * Every how many positions there is room for a label.
 * @param {import("./types").Axis} axis
 */
export function labelStep(axis) {
  const count = axis.labels.length;
  return count <= 72 ? 1 : Math.ceil(count / 40);
}

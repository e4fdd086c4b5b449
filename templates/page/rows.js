/** Answers to `attn:` addresses: the rows that charts draw. */

import { channelRows, classChannelRows } from "./channels.js";
import { confusionRows } from "./confusion.js";
import { deletionRows } from "./deletion.js";
import { tip, weightText } from "./format.js";
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
  heads: ([stack]) => headRows(Number(stack)),
  row: ([stack, layer, head, q, hidden]) =>
    weightRows(place(stack, layer, head), Number(q), hidden === "true"),
  edges: ([stack, layer, head, hidden]) => edgeRows(place(stack, layer, head), hidden === "true"),
  "edges-from": ([stack, layer, head, q, hidden]) =>
    edgeRowsFrom(place(stack, layer, head), Number(q), hidden === "true"),
  pair: ([stack, q, k, hidden]) => pairRows(Number(stack), Number(q), Number(k), hidden === "true"),
  entropy: ([stack, layer, head, hidden]) =>
    entropyRows(place(stack, layer, head), hidden === "true"),
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

/** @param {number} stackIndex */
function headRows(stackIndex) {
  const stack = stackAt(stackIndex);
  return headsOf(stack).map(({ layer, head }) => {
    const statistics = statisticsOf(stack, layer, head);
    const { entropy, pattern, x, facts } = statistics;
    const title = patternTitle(statistics);
    const name = `${headName(stack, layer, head)}: ${title}`;
    const lines = tip([[tipTitle(stack, layer, head), title], ...facts]);
    return { layer, head, entropy, x, pattern, name, tip: lines };
  });
}

/**
 * @param {Place} where
 * @param {number} q
 * @param {boolean} hidden
 */
async function weightRows({ stack, layer, head }, q, hidden) {
  const weights = await loadHead(stack, layer, head);
  const from = label(stackAt(stack).query, q);
  const keys = keyAxis(stackAt(stack));
  return Array.from({ length: weights.keys }, (_, k) => {
    const w = weights.shown(q, k, hidden);
    return { k, w, tip: tip([[`${from} → ${label(keys, k)}`, weightText(w)]]) };
  });
}

/**
 * The strongest lines of a head.
 * @param {Place} where
 * @param {boolean} hidden
 */
async function edgeRows({ stack, layer, head }, hidden) {
  const weights = await loadHead(stack, layer, head);
  const { largest } = stackAt(stack);
  const faintest = weights.queries * weights.keys > 6000 ? 0.02 : FAINTEST_EDGE;
  const rows = [];
  for (let k = 0; k < weights.keys; k++) {
    for (let q = 0; q < weights.queries; q++) {
      const w = weights.shown(q, k, hidden) / largest;
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
 * @param {boolean} hidden
 */
async function edgeRowsFrom({ stack, layer, head }, q, hidden) {
  const weights = await loadHead(stack, layer, head);
  const { largest } = stackAt(stack);
  const rows = [];
  for (let k = 0; k < weights.keys; k++) {
    const w = weights.shown(q, k, hidden) / largest;
    if (w >= FAINTEST_EDGE) rows.push({ q, k, w });
  }
  return rows;
}

/**
 * @param {number} stackIndex
 * @param {number} q
 * @param {number} k
 * @param {boolean} hidden
 */
async function pairRows(stackIndex, q, k, hidden) {
  const stack = stackAt(stackIndex);
  const rows = headsOf(stack).map(async ({ layer, head }) => {
    const w = (await loadHead(stackIndex, layer, head)).shown(q, k, hidden);
    const name = `${headName(stack, layer, head)}: ${weightText(w)}`;
    const lines = tip([[tipTitle(stack, layer, head), weightText(w)]]);
    return { layer, head, w, share: w / stack.largest, name, tip: lines };
  });
  // A damaged head is announced when it is chosen; here it leaves a gap and the others their cell.
  const settled = await Promise.allSettled(rows);
  return settled.flatMap((row) => (row.status === "fulfilled" ? [row.value] : []));
}

/**
 * @param {Place} where
 * @param {boolean} hidden
 */
async function entropyRows({ stack, layer, head }, hidden) {
  const weights = await loadHead(stack, layer, head);
  const queries = stackAt(stack).query;
  const sums = new Float64Array(weights.queries);
  const logs = new Float64Array(weights.queries);
  for (let k = 0; k < weights.keys; k++) {
    for (let q = 0; q < weights.queries; q++) {
      const w = weights.shown(q, k, hidden);
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

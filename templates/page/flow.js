/**
 * Where a token comes from: the attention rollout of Abnar and Zuidema (2020), followed back from one
 * position through all layers. `attnreport.analysis.rollout` is the same from all positions at once.
 */

import { element, find } from "./dom.js";
import { tip } from "./format.js";
import { label, stackAt } from "./manifest.js";
import { loadHead } from "./weights.js";

/** What of each position the residual connection carries past a layer. */
const RESIDUAL = 0.5;
/** More lines, or fainter ones, cannot be told apart. */
const MOST_EDGES = 240;
const FAINTEST = 0.003;
/** So many tokens are named as where the chosen one comes from. */
const MOST_SOURCES = 5;

/** @typedef {{ column: number, query: number, key: number, share: number }} Edge */
/** @typedef {{ shares: Float64Array[], edges: Edge[] }} Flow */

/** The layers of the stack that was last followed, each a matrix row by row. */
let mixed = { stack: -1, layers: Promise.resolve(/** @type {Float64Array[]} */ ([])) };

/** @param {number} stackIndex */
function mixedLayers(stackIndex) {
  if (mixed.stack !== stackIndex) {
    const { heads } = stackAt(stackIndex);
    const layers = Promise.all(heads.map((count, layer) => mixedLayer(stackIndex, layer, count)));
    mixed = { stack: stackIndex, layers };
  }
  return mixed.layers;
}

/**
 * The mean of a layer's heads and the residual connection; rows sum to one.
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} count
 */
async function mixedLayer(stackIndex, layer, count) {
  const heads = await Promise.all(
    Array.from({ length: count }, (_, head) => loadHead(stackIndex, layer, head)),
  );
  const size = heads[0].queries;
  const matrix = new Float64Array(size * size);
  for (let query = 0; query < size; query++) {
    const row = matrix.subarray(query * size, (query + 1) * size);
    for (let key = 0; key < size; key++)
      for (const head of heads) row[key] += ((1 - RESIDUAL) * head.at(query, key)) / count;
    row[query] += RESIDUAL;
    const sum = row.reduce((total, share) => total + share, 0);
    for (let key = 0; key < size; key++) row[key] /= sum;
  }
  return matrix;
}

/**
 * What each position holds of the chosen one, from the input (0) to after the last layer, and what
 * flows from layer to layer, the strongest first.
 * @param {number} stackIndex
 * @param {number} chosen
 * @returns {Promise<Flow>}
 */
async function flowTo(stackIndex, chosen) {
  const layers = await mixedLayers(stackIndex);
  const size = stackAt(stackIndex).query.labels.length;
  /** @type {Edge[]} */
  const edges = [];
  const shares = [new Float64Array(size)];
  shares[0][chosen] = 1;
  for (let column = layers.length; column > 0; column--) {
    const before = new Float64Array(size);
    for (let query = 0; query < size; query++) {
      for (let key = 0; key < size; key++) {
        const share = shares[0][query] * layers[column - 1][query * size + key];
        before[key] += share;
        if (share >= FAINTEST) edges.push({ column, query, key, share });
      }
    }
    shares.unshift(before);
  }
  edges.sort((a, b) => b.share - a.share);
  return { shares, edges: edges.slice(0, MOST_EDGES) };
}

/**
 * @param {number} stackIndex
 * @param {number} chosen
 */
export async function flowEdges(stackIndex, chosen) {
  // A damaged head is announced when it is chosen; here nothing can be followed without it.
  return flowTo(stackIndex, chosen).then(
    ({ edges }) => edges,
    () => [],
  );
}

/**
 * @param {number} stackIndex
 * @param {number} chosen
 */
export async function flowNodes(stackIndex, chosen) {
  const { query, layerNumbers } = stackAt(stackIndex);
  const { shares } = await flowTo(stackIndex, chosen).catch(() => ({ shares: [] }));
  return shares.flatMap((column, place) =>
    Array.from(column, (share, position) => {
      const when = place ? `after layer ${layerNumbers[place - 1]}` : "input";
      const lines = tip([[`${label(query, position)}, ${when}`, percent(share)]]);
      return { column: place, position, share, tip: lines };
    }),
  );
}

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;

/**
 * Says where the chosen token comes from.
 * @param {Readonly<import("./types").State>} state
 */
export async function captionFlow({ stack, q }) {
  if (!stackAt(stack).conditions.includes("flow")) return;
  const nodes = await flowNodes(stack, q);
  const inputs = nodes.filter(({ column }) => column === 0).sort((a, b) => b.share - a.share);
  const items = inputs
    .slice(0, MOST_SOURCES)
    .map(({ position, share }) =>
      element(
        "li",
        {},
        label(stackAt(stack).query, position),
        " ",
        element("b", {}, percent(share)),
      ),
    );
  find("#sources").replaceChildren(...items);
}

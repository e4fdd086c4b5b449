/** Where the model looks on average, when it is right and when it is wrong. */

import { alikeTo, keyAxis, stackAt } from "./manifest.js";
import { colorsOf, keepMap } from "./maps.js";
import { compared } from "./outcomes.js";
import { loadHead } from "./weights.js";

/** @typedef {import("./types").GridMap} GridMap */
/** @typedef {{ map: GridMap | null, count: number }} Mean */

/** @type {{ right: Mean, wrong: Mean } | null} */
let current = null;
let shown = "";

export const meansNow = () => current;

/**
 * Averages the chosen head over the examples that are compared.
 * @param {Readonly<import("./types").State>} state
 * @returns {Promise<boolean>} whether there is something new
 */
export async function loadMeans(state) {
  const { stack: index, layer, head, target, output } = state;
  const stack = stackAt(index);
  if (!stack.conditions.includes("means")) return false;
  const stacks = alikeTo(index);
  const id = ["mean", stacks[0], layer, head, target, output].join("-");
  if (id === shown) return false;
  const { right, wrong } = compared(state);
  const [good, bad] = await Promise.all(
    [right, wrong].map((examples) =>
      meanOf(
        stacks.filter((each) => examples.includes(stackAt(each).example)),
        layer,
        head,
      ),
    ),
  );
  // One scale for both, so that they can be compared.
  const colors = colorsOf([...good.cells, ...bad.cells], stack.kind === "gate");
  const axis = keyAxis(stack);
  const meanMap = (/** @type {string} */ name, /** @type {Cells} */ { cells, count }) => ({
    count,
    map: count
      ? keepMap({
          id: `${id}-${name}`,
          columns: axis.width ?? 1,
          rows: axis.height ?? 1,
          values: cells,
          allowed: null,
          linked: null,
          ...colors,
          picture: null,
          cell: -1,
        })
      : null,
  });
  current = { right: meanMap("right", good), wrong: meanMap("wrong", bad) };
  shown = id;
  return true;
}

/** @typedef {{ cells: Float32Array, count: number }} Cells */

/**
 * @param {number[]} stacks
 * @param {number} layer
 * @param {number} head
 * @returns {Promise<Cells>}
 */
async function meanOf(stacks, layer, head) {
  const settled = await Promise.allSettled(stacks.map((index) => cellsOf(index, layer, head)));
  // A damaged example is announced when it is chosen; here the others are averaged without it.
  const found = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const cells = new Float32Array(found[0]?.length ?? 0);
  for (const each of found)
    for (let cell = 0; cell < cells.length; cell++) cells[cell] += each[cell] / found.length;
  return { cells, count: found.length };
}

/**
 * How much one example looks at each cell: what its class token does, or else the mean of all
 * queries, which may be a single one.
 * @param {number} index
 * @param {number} layer
 * @param {number} head
 */
async function cellsOf(index, layer, head) {
  const { query, ...stack } = stackAt(index);
  const weights = await loadHead(index, layer, head);
  const before = (stack.key ?? query).special.length;
  const count = query.leading?.length ? 1 : weights.queries;
  const cells = new Float32Array(weights.keys - before);
  for (let cell = 0; cell < cells.length; cell++)
    for (let q = 0; q < count; q++) cells[cell] += weights.at(q, before + cell) / count;
  return cells;
}

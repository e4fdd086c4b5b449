/** Weights over the cells of a grid, and which of them are the heaviest. */

import { hidingOf } from "./head.js";
import { isSelf, keyAxis, stackAt } from "./manifest.js";
import { maskNow } from "./masks.js";
import { headNow } from "./weights.js";

/** @typedef {import("./types").GridMap} GridMap */

/** Share of the cells that are outlined. */
export const HEAVIEST = 0.2;
const KEPT = 24;

/** @type {Map<string, GridMap>} */
const made = new Map();

/** @param {string} id */
export const mapNamed = (id) => made.get(id) ?? null;

/**
 * Keeps a map, so that addresses can name it.
 * @param {GridMap} map
 */
export function keepMap(map) {
  made.delete(map.id);
  made.set(map.id, map);
  if (made.size > KEPT) made.delete(/** @type {string} */ (made.keys().next().value));
  return map;
}

/**
 * The map of the queries or of the keys; null where they are no grid, or nothing is decoded.
 * Of two axes, the one that the direction leads to is colored, the other shows what is chosen.
 * @param {"query" | "key"} side
 * @param {Readonly<import("./types").State>} state
 * @returns {GridMap | null}
 */
export function mapOf(side, state) {
  const stack = stackAt(state.stack);
  const self = isSelf(stack);
  const axis = side === "key" ? keyAxis(stack) : stack.query;
  if (axis.kind !== "grid" || (side === "query" && self)) return null;
  const { stack: index, layer, head, direction, q } = state;
  const hiding = hidingOf(state);
  // In self-attention the one chosen position is the query; see choosePosition in state.js.
  const k = self ? q : state.k;
  const id = [side, index, layer, head, direction, q, k, hiding].join("-");
  const known = made.get(id);
  if (known) return keepMap(known);
  const weights = headNow(index, layer, head);
  if (!weights) return null;
  const before = axis.special.length;
  const size = axis.labels.length - before;
  const cells = (/** @type {(query: number, key: number) => any} */ of) =>
    Array.from({ length: size }, (_, cell) =>
      direction === "from" ? of(q, before + cell) : of(before + cell, k),
    );
  const colored = self || (side === "key") === (direction === "from");
  const allowed = colored ? maskNow(index, layer, head) : null;
  const links = colored ? stack.reference[layer] : null;
  const linked = new Set(links?.map(([query, key]) => `${query} ${key}`));
  const values = colored ? cells((query, key) => weights.shown(query, key, hiding)) : [];
  return keepMap({
    id,
    columns: axis.width ?? 1,
    rows: axis.height ?? 1,
    values: colored ? Float32Array.from(values) : new Float32Array(size),
    allowed: allowed && cells(allowed),
    linked: links ? cells((query, key) => linked.has(`${query} ${key}`)) : null,
    ...colorsOf(values, stack.kind === "gate"),
    picture: stack.pictures[self || side === "query" ? 0 : 1],
    cell: (side === "query" || self ? q : k) - before,
  });
}

/**
 * Where the colors of a map begin and end. Strengths of a gate may all be alike; weights that sum to
 * one begin at 0.
 * @param {ArrayLike<number>} values
 * @param {boolean} gate
 */
export function colorsOf(values, gate) {
  let [low, high] = [Infinity, 0];
  for (let cell = 0; cell < values.length; cell++) {
    low = Math.min(low, values[cell]);
    high = Math.max(high, values[cell]);
  }
  if (!gate || high - low < 1e-6) low = 0;
  return { low, high: high > low ? high : low + 1, linear: gate };
}

/**
 * The heaviest fifth of the cells, but none that weighs less than the mean; of cells that weigh
 * the same, all or none.
 * @param {GridMap} map
 * @returns {{ cells: boolean[], count: number, share: number }}
 */
export function heaviest({ values, allowed }) {
  const free = [...values].filter((_, cell) => !allowed || allowed[cell]).sort((a, b) => b - a);
  const sum = (/** @type {number[]} */ list) => list.reduce((total, weight) => total + weight, 0);
  const wanted = Math.ceil(HEAVIEST * free.length);
  const least = free[wanted - 1] ?? 0;
  // Sums of many weights that are alike are off by a little.
  const mean = (sum(free) / (free.length || 1)) * (1 - 1e-6);
  const ties = free.filter((weight) => weight >= least).length > 2 * wanted;
  const isIn = (/** @type {number} */ weight) =>
    weight > 0 && weight >= mean && (ties ? weight > least : weight >= least);
  const cells = [...values].map((weight, cell) => isIn(weight) && (!allowed || allowed[cell]));
  const inside = [...values].filter((_, cell) => cells[cell]);
  return { cells, count: inside.length, share: sum(inside) / (sum([...values]) || 1) };
}

/**
 * The border of a set of cells, as lines between them.
 * @param {GridMap} map
 * @param {boolean[]} cells
 */
function border({ columns, rows }, cells) {
  const has = (/** @type {number} */ row, /** @type {number} */ column) =>
    row >= 0 &&
    column >= 0 &&
    row < rows &&
    column < columns &&
    cells[row * columns + column] === true;
  const lines = [];
  for (let row = 0; row <= rows; row++) {
    for (let column = 0; column <= columns; column++) {
      const inside = has(row, column);
      if (has(row - 1, column) !== inside)
        lines.push({ x0: column, y0: row, x1: column + 1, y1: row });
      if (has(row, column - 1) !== inside)
        lines.push({ x0: column, y0: row, x1: column, y1: row + 1 });
    }
  }
  return lines;
}

/**
 * Lines around the heaviest cells, or around those that a reference links.
 * @param {string} what
 * @param {string} id
 */
export function outlineRows(what, id) {
  const map = mapNamed(id);
  if (!map) return [];
  return border(map, what === "linked" ? (map.linked ?? []) : heaviest(map).cells);
}

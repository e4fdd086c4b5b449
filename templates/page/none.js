/** Where a head has no weight, or two of them have not both one. */

import { maskNow } from "./masks.js";

/** @typedef {(row: number) => (column: number) => boolean} Cells which cells, row by row */

/**
 * The cells in which a head has no weight; null if it has one in all.
 * @param {import("./difference.js").AnyHead} head
 * @param {import("./types").Place} place
 * @param {number} hiding
 * @returns {Cells | null}
 */
export function noneIn(head, { stack, layer, head: index }, hiding) {
  const allowed = maskNow(stack, layer, index);
  if (!allowed && !hiding) return null;
  return (query) => {
    const empty = head.isEmpty(query, hiding);
    return (key) => empty || head.hides(key, hiding) || (allowed !== null && !allowed(query, key));
  };
}

/**
 * The cells in which one of two heads has no weight; null if both have one in all.
 * @param {Cells | null} first
 * @param {Cells | null} second
 * @returns {Cells | null}
 */
export function noneInEither(first, second) {
  if (!first || !second) return first ?? second;
  return (query) => {
    const [one, other] = [first(query), second(query)];
    return (key) => one(key) || other(key);
  };
}

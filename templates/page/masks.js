/** Where queries may not look. */

import { readBlock } from "./blocks.js";
import { baseOf, keyAxis, stackAt } from "./manifest.js";

/** @type {Map<string, Uint8Array>} */
const decoded = new Map();

/**
 * @param {number} stackIndex
 * @param {number} layer
 */
export async function loadMask(stackIndex, layer) {
  const stack = stackAt(baseOf(stackIndex));
  const mask = stack.masks[layer];
  if (!mask || decoded.has(mask.id)) return;
  const cells = stack.query.labels.length * keyAxis(stack).labels.length * mask.heads;
  decoded.set(mask.id, await readBlock(mask.id, Math.ceil(cells / 8)));
}

/**
 * A test of whether a query may look at a key, or null where everything may be looked at. A word
 * may look at another if one of its pieces may.
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 * @returns {((query: number, key: number) => boolean) | null}
 */
export function maskNow(stackIndex, layer, head) {
  const allowed = pieceMask(stackAt(baseOf(stackIndex)), layer, head);
  const { spans } = stackAt(stackIndex);
  if (!allowed || !spans) return allowed;
  return (query, key) => spans.query[query].some((q) => spans.key[key].some((k) => allowed(q, k)));
}

/**
 * @param {import("./types").Stack} stack
 * @param {number} layer
 * @param {number} head
 * @returns {((query: number, key: number) => boolean) | null}
 */
function pieceMask(stack, layer, head) {
  const mask = stack.masks[layer];
  const bits = mask && decoded.get(mask.id);
  if (!mask || !bits) return null;
  const keys = keyAxis(stack).labels.length;
  const offset = mask.heads === 1 ? 0 : head * stack.query.labels.length * keys;
  return (query, key) => {
    const cell = offset + query * keys + key;
    return ((bits[cell >> 3] >> (7 - (cell & 7))) & 1) === 1;
  };
}

/** The weights of each head: decoded when first looked at, forgotten when long unused. */

import { readBlock } from "./blocks.js";
import { Difference } from "./difference.js";
import { BYTES, Head, WordHead } from "./head.js";
import { baseOf, flatIndex, headCount, headsOf, keyAxis, stackAt } from "./manifest.js";
import { noneIn, noneInEither } from "./none.js";

const CACHE_BYTES = 200e6;

/** @typedef {{ promise: Promise<Head[]>, heads: Head[] | null, bytes: number }} Cached */
/** @type {Map<string, Cached>} */
const cache = new Map();
let cachedBytes = 0;

/**
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 */
function locate(stackIndex, layer, head) {
  const stack = stackAt(baseOf(stackIndex));
  const index = flatIndex(stack, layer, head);
  const block = Math.floor(index / stack.headsPerBlock);
  return { id: `b${stack.firstBlock + block}`, stack, block, within: index % stack.headsPerBlock };
}

/**
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 * @returns {Promise<Head | WordHead>}
 */
export async function loadHead(stackIndex, layer, head) {
  const { id, stack, block, within } = locate(stackIndex, layer, head);
  let cached = cache.get(id);
  if (cached) {
    // Moves the block to the end, so that the one longest unused is forgotten first.
    cache.delete(id);
    cache.set(id, cached);
  } else {
    cached = remember(id, stack, block);
  }
  return asShown((await cached.promise)[within], stackIndex);
}

/** @type {WeakMap<Head, WordHead>} */
const inWords = new WeakMap();

/**
 * A head between the positions of a stack, which are its own or the words that they make.
 * @param {Head} head
 * @param {number} stackIndex
 */
function asShown(head, stackIndex) {
  const stack = stackAt(stackIndex);
  if (!stack.spans) return head;
  const known = inWords.get(head) ?? new WordHead(head, stack);
  inWords.set(head, known);
  return known;
}

/**
 * The head if it is decoded already.
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 */
export function headNow(stackIndex, layer, head) {
  const { id, within } = locate(stackIndex, layer, head);
  const decoded = cache.get(id)?.heads?.[within];
  return decoded ? asShown(decoded, stackIndex) : null;
}

/** @type {WeakMap<object, WeakMap<object, Difference>>} */
const differences = new WeakMap();

/**
 * What a second head gives more or less than a first one, if both are decoded already.
 * @param {import("./types").Place} first
 * @param {import("./types").Place} second
 */
export function differenceNow(first, second) {
  const [one, other] = [first, second].map((each) => headNow(each.stack, each.layer, each.head));
  if (!one || !other) return null;
  /** @param {number} hiding */
  const none = (hiding) => noneInEither(noneIn(one, first, hiding), noneIn(other, second, hiding));
  const known = differences.get(one) ?? new WeakMap();
  differences.set(one, known);
  const difference = known.get(other) ?? new Difference(one, other, none);
  known.set(other, difference);
  return difference;
}

/**
 * @param {string} id
 * @param {import("./types").Stack} stack
 * @param {number} block
 */
function remember(id, stack, block) {
  const cells = stack.query.labels.length * keyAxis(stack).labels.length;
  const count = Math.min(stack.headsPerBlock, headCount(stack) - block * stack.headsPerBlock);
  /** @type {Cached} */
  const cached = {
    promise: decode(id, stack, block, count),
    heads: null,
    bytes: count * cells * (BYTES === 1 ? 1 : 4),
  };
  cached.promise.then(
    (heads) => (cached.heads = heads),
    () => {
      if (cache.delete(id)) cachedBytes -= cached.bytes;
    },
  );
  cache.set(id, cached);
  cachedBytes += cached.bytes;
  for (const [oldest, { bytes }] of cache) {
    if (cachedBytes <= CACHE_BYTES || oldest === id) break;
    cache.delete(oldest);
    cachedBytes -= bytes;
  }
  return cached;
}

/**
 * @param {string} id
 * @param {import("./types").Stack} stack
 * @param {number} block
 * @param {number} count
 */
async function decode(id, stack, block, count) {
  const cells = stack.query.labels.length * keyAxis(stack).labels.length;
  const values = numbers(await readBlock(id, count * cells * BYTES), count * cells, stack.largest);
  const first = block * stack.headsPerBlock;
  return headsOf(stack)
    .slice(first, first + count)
    .map(({ layer, head }, index) => {
      const own = values.subarray(index * cells, (index + 1) * cells);
      return new Head(own, stack, layer, head);
    });
}

/**
 * Undoes the byte planes: all first bytes of the numbers come first, then all second bytes.
 * @param {Uint8Array<ArrayBuffer>} raw
 * @param {number} count
 * @param {number} largest
 * @returns {Float32Array | Uint8Array}
 */
function numbers(raw, count, largest) {
  if (BYTES === 1) return raw;
  if (BYTES === 2) {
    return Float32Array.from({ length: count }, (_, i) => {
      const root = (raw[i] * 256 + raw[count + i]) / 65535;
      return root * root * largest;
    });
  }
  const bytes = new Uint8Array(count * 4);
  for (let plane = 0; plane < 4; plane++) {
    for (let i = 0, from = plane * count; i < count; i++) bytes[4 * i + 3 - plane] = raw[from + i];
  }
  return new Float32Array(bytes.buffer);
}

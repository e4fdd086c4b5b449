/** The weights of each head: decoded when first looked at, forgotten when long unused. */

import { readBlock } from "./blocks.js";
import { flatIndex, headCount, keyAxis, manifest, stackAt } from "./manifest.js";

const CACHE_BYTES = 200e6;
const BYTES = { float32: 4, u16: 2, u8: 1 }[manifest.encoding];
const FROM_U8 = Float32Array.from({ length: 256 }, (_, step) => (step / 255) ** 2);

/** The weights of one head, stored key by key. */
export class Head {
  /**
   * @param {Float32Array | Uint8Array} values
   * @param {import("./types").Stack} stack
   */
  constructor(values, stack) {
    this.values = values;
    this.queries = stack.query.labels.length;
    this.keys = keyAxis(stack).labels.length;
    this.special = new Set(keyAxis(stack).special);
    /** @type {Float32Array | null} */
    this.sums = null;
  }

  /**
   * @param {number} query
   * @param {number} key
   */
  at(query, key) {
    const value = this.values[key * this.queries + query];
    return this.values instanceof Uint8Array ? FROM_U8[value] : value;
  }

  /**
   * The weight as shown: with special keys hidden, theirs is 0 and the row is rescaled to sum to 1.
   * @param {number} query
   * @param {number} key
   * @param {boolean} hidden
   */
  shown(query, key, hidden) {
    if (!hidden) return this.at(query, key);
    if (this.special.has(key)) return 0;
    const sum = this.visibleSums()[query];
    return sum > 0 ? this.at(query, key) / sum : 0;
  }

  /** For each query, how much of its attention goes to keys that are not special. */
  visibleSums() {
    if (!this.sums) {
      const sums = (this.sums = new Float32Array(this.queries));
      for (let key = 0; key < this.keys; key++) {
        if (this.special.has(key)) continue;
        for (let query = 0; query < this.queries; query++) sums[query] += this.at(query, key);
      }
    }
    return this.sums;
  }
}

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
  const stack = stackAt(stackIndex);
  const index = flatIndex(stack, layer, head);
  const block = Math.floor(index / stack.headsPerBlock);
  return { id: `b${stack.firstBlock + block}`, stack, block, within: index % stack.headsPerBlock };
}

/**
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 * @returns {Promise<Head>}
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
  return (await cached.promise)[within];
}

/**
 * The head if it is decoded already.
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 */
export function headNow(stackIndex, layer, head) {
  const { id, within } = locate(stackIndex, layer, head);
  return cache.get(id)?.heads?.[within] ?? null;
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
    promise: decode(id, stack, count, cells),
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
 * @param {number} count
 * @param {number} cells
 */
async function decode(id, stack, count, cells) {
  const values = numbers(await readBlock(id, count * cells * BYTES), count * cells);
  return Array.from(
    { length: count },
    (_, index) => new Head(values.subarray(index * cells, (index + 1) * cells), stack),
  );
}

/**
 * Undoes the byte planes: all first bytes of the numbers come first, then all second bytes.
 * @param {Uint8Array<ArrayBuffer>} raw
 * @param {number} count
 * @returns {Float32Array | Uint8Array}
 */
function numbers(raw, count) {
  if (BYTES === 1) return raw;
  if (BYTES === 2) {
    return Float32Array.from({ length: count }, (_, i) => {
      const root = (raw[i] * 256 + raw[count + i]) / 65535;
      return root * root;
    });
  }
  const bytes = new Uint8Array(count * 4);
  for (let plane = 0; plane < 4; plane++) {
    for (let i = 0, from = plane * count; i < count; i++) bytes[4 * i + 3 - plane] = raw[from + i];
  }
  return new Float32Array(bytes.buffer);
}

/**
 * How far the shown weight may be from the captured one.
 * @param {number} weight
 */
export function errorBound(weight) {
  if (manifest.encoding === "float32") return 0;
  const steps = manifest.encoding === "u8" ? 255 : 65535;
  // The square root is at most half a step off, and a little for rounding; see packing.py.
  const rootError = 1 / (2 * steps) + 2 ** -22;
  return 2 * rootError * Math.sqrt(weight) + rootError ** 2;
}

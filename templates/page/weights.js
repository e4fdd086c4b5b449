/** The weights of each head: decoded when first looked at, forgotten when long unused. */

import { readBlock } from "./blocks.js";
import { flatIndex, headCount, keyAxis, manifest, stackAt } from "./manifest.js";

const CACHE_BYTES = 200e6;
const BYTES = { float32: 4, u16: 2, u8: 1 }[manifest.encoding];
const FROM_U8 = Float32Array.from({ length: 256 }, (_, step) => (step / 255) ** 2);
/** A stored square root is at most half a step off, and a little for rounding; see packing.py. */
const ROOT_ERROR = BYTES === 4 ? 0 : 1 / (2 * (BYTES === 1 ? 255 : 65535)) + 2 ** -22;

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
    this.largest = stack.largest;
    this.normalized = stack.conditions.includes("normalized");
    /** @type {Float32Array | null} */
    this.sums = null;
  }

  /**
   * @param {number} query
   * @param {number} key
   */
  at(query, key) {
    const value = this.values[key * this.queries + query];
    return this.values instanceof Uint8Array ? FROM_U8[value] * this.largest : value;
  }

  /**
   * The weight as shown: with special keys hidden, theirs is 0, and a row that sums to 1 is rescaled
   * to do so again.
   * @param {number} query
   * @param {number} key
   * @param {boolean} hidden
   */
  shown(query, key, hidden) {
    if (!hidden) return this.at(query, key);
    if (this.special.has(key)) return 0;
    if (!this.normalized) return this.at(query, key);
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

  /**
   * How far the shown weight may be from what the captured ones give.
   * @param {number} query
   * @param {number} key
   * @param {boolean} hidden
   */
  errorBound(query, key, hidden) {
    if (!hidden || !this.normalized) return this.storedError(query, key);
    if (this.special.has(key)) return 0;
    // With s the sum that the weights w are divided by, w / s is off by at most (e + w / s E) / (s - E),
    // where e is the error of w and E that of s.
    let ofSum = 0;
    for (let other = 0; other < this.keys; other++) {
      if (!this.special.has(other)) ofSum += this.storedError(query, other);
    }
    const least = this.visibleSums()[query] - ofSum;
    const error = this.storedError(query, key) + this.shown(query, key, true) * ofSum;
    return least > 0 ? Math.min(1, error / least) : ofSum && 1;
  }

  /**
   * How far the stored weight may be from the captured one.
   * @param {number} query
   * @param {number} key
   */
  storedError(query, key) {
    const share = this.at(query, key) / this.largest;
    return this.largest * (2 * ROOT_ERROR * Math.sqrt(share) + ROOT_ERROR ** 2);
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
  const values = numbers(await readBlock(id, count * cells * BYTES), count * cells, stack.largest);
  return Array.from(
    { length: count },
    (_, index) => new Head(values.subarray(index * cells, (index + 1) * cells), stack),
  );
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

/** Queries and keys of each head: decoded when first asked for. */

import { readBlock } from "./blocks.js";
import { baseOf, keyAxis, stackAt } from "./manifest.js";

/**
 * @typedef {object} Vectors
 * @property {number} features
 * @property {number | null} scale
 * @property {(q: number) => Float32Array} query
 * @property {(k: number) => Float32Array} key
 * @property {((q: number, k: number) => number) | null} bias
 * @property {((q: number, k: number) => number) | null} logits
 * @property {string} precision number format that the weights were computed in
 * @property {boolean} half whether they are stored in half precision
 */

/** The head that was asked for last. @type {{ id: string, vectors: Promise<Vectors> } | null} */
let latest = null;

/**
 * Queries and keys of a head; null where the report has none of them.
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 */
export function loadVectors(stackIndex, layer, head) {
  const stack = stackAt(baseOf(stackIndex));
  const scoring = stack.scoring?.[layer];
  if (!scoring) return null;
  const id = `${scoring.id}-${head}`;
  if (latest?.id !== id) {
    const vectors = decode(id, stack, scoring);
    latest = { id, vectors };
    vectors.catch(() => (latest = null));
  }
  return latest.vectors;
}

/**
 * @param {string} id
 * @param {import("./types").Stack} stack
 * @param {import("./types").Scoring} scoring
 * @returns {Promise<Vectors>}
 */
async function decode(id, stack, { features, scale, extra, format, precision }) {
  const [queries, keys] = [stack.query.labels.length, keyAxis(stack).labels.length];
  const pairs = extra ? queries * keys : 0;
  const count = features * (queries + keys) + pairs;
  const half = format === "float16";
  const values = numbers(await readBlock(id, count * (half ? 2 : 4)), count, half);
  const rows = (/** @type {number} */ from) => (/** @type {number} */ place) =>
    values.subarray(from + place * features, from + (place + 1) * features);
  const first = features * (queries + keys);
  const pair = (/** @type {number} */ q, /** @type {number} */ k) => values[first + q * keys + k];
  return {
    features,
    scale,
    query: rows(0),
    key: rows(features * queries),
    bias: extra === "bias" ? pair : null,
    logits: extra === "logits" ? pair : null,
    precision,
    half,
  };
}

/**
 * Undoes the byte planes: all first bytes of the numbers come first, then all second bytes.
 * @param {Uint8Array<ArrayBuffer>} raw
 * @param {number} count
 * @param {boolean} half
 */
function numbers(raw, count, half) {
  if (half) {
    return Float32Array.from({ length: count }, (_, i) => halfFloat(raw[i] * 256 + raw[count + i]));
  }
  const view = new DataView(new ArrayBuffer(4));
  return Float32Array.from({ length: count }, (_, i) => {
    for (let plane = 0; plane < 4; plane++) view.setUint8(plane, raw[plane * count + i]);
    return view.getFloat32(0);
  });
}

/**
 * A number of IEEE 754 in half precision; not every browser has an array of them.
 * @param {number} bits
 */
function halfFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

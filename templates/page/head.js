/** The weights of one head: as stored, between words, and with keys left out. */

import { keyAxis, manifest, statisticsOf } from "./manifest.js";

/** Keys that can be left out; a choice of them is a sum. */
export const SPECIAL = 1;
export const SINKS = 2;

/** @param {{ hidden: boolean, sinks: boolean }} state */
export const hidingOf = ({ hidden, sinks }) => (hidden ? SPECIAL : 0) + (sinks ? SINKS : 0);

export const BYTES = { float32: 4, u16: 2, u8: 1 }[manifest.encoding];
const FROM_U8 = Float32Array.from({ length: 256 }, (_, step) => (step / 255) ** 2);
/** A stored square root is at most half a step off, and a little for rounding; see packing.py. */
const ROOT_ERROR = BYTES === 4 ? 0 : 1 / (2 * (BYTES === 1 ? 255 : 65535)) + 2 ** -22;
/** A row of which no more is left than rounding adds has nothing left. */
const NOTHING = 1e-6;

/** @typedef {import("./types").Stack} Stack */

/**
 * Weights as they are shown.
 * @abstract
 */
class Shown {
  /** @param {Stack} stack */
  constructor(stack) {
    this.queries = stack.query.labels.length;
    this.keys = keyAxis(stack).labels.length;
    this.normalized = stack.conditions.includes("normalized");
    /** Largest shown weight of each row that was asked for, by what is left out. */
    this.maxima = /** @type {Float32Array[]} */ ([]);
  }

  /**
   * The weight as it was captured, as far as it is stored.
   * @abstract
   * @param {number} _query
   * @param {number} _key
   * @returns {number}
   */
  at(_query, _key) {
    throw new Error("abstract");
  }

  /**
   * The weight without the keys that are left out.
   * @abstract
   * @param {number} _query
   * @param {number} _key
   * @param {number} _hiding
   * @returns {number}
   */
  seen(_query, _key, _hiding) {
    throw new Error("abstract");
  }

  /**
   * What a row gives to the keys that are not left out.
   * @abstract
   * @param {number} _query
   * @param {number} _hiding
   * @returns {number}
   */
  rest(_query, _hiding) {
    throw new Error("abstract");
  }

  /**
   * Whether a key is left out.
   * @abstract
   * @param {number} _key
   * @param {number} _hiding
   * @returns {boolean}
   */
  hides(_key, _hiding) {
    throw new Error("abstract");
  }

  /**
   * How far `seen` may be from what the captured weights give.
   * @abstract
   * @param {number} _query
   * @param {number} _key
   * @param {number} _hiding
   * @returns {number}
   */
  error(_query, _key, _hiding) {
    throw new Error("abstract");
  }

  /**
   * The weight as shown: of keys that are left out it is 0, and a row that sums to 1 is rescaled to
   * do so again, unless nothing is left of it.
   * @param {number} query
   * @param {number} key
   * @param {number} hiding
   */
  shown(query, key, hiding) {
    if (!hiding) return this.at(query, key);
    const weight = this.seen(query, key, hiding);
    if (!this.normalized || weight === 0) return weight;
    return this.isEmpty(query, hiding) ? 0 : weight / this.rest(query, hiding);
  }

  /**
   * Whether a row gives nothing to the keys that are not left out, but something to the others.
   * @param {number} query
   * @param {number} hiding
   */
  isEmpty(query, hiding) {
    if (!hiding) return false;
    return this.rest(query, hiding) <= NOTHING * (this.normalized ? 1 : this.rest(query, 0));
  }

  /**
   * The largest shown weight of a row.
   * @param {number} query
   * @param {number} hiding
   */
  maximum(query, hiding) {
    const maxima = (this.maxima[hiding] ??= new Float32Array(this.queries).fill(-1));
    if (maxima[query] < 0) {
      maxima[query] = 0;
      for (let key = 0; key < this.keys; key++)
        maxima[query] = Math.max(maxima[query], this.shown(query, key, hiding));
    }
    return maxima[query];
  }

  /**
   * How far the shown weight may be from what the captured ones give.
   * @param {number} query
   * @param {number} key
   * @param {number} hiding
   */
  errorBound(query, key, hiding) {
    const error = this.error(query, key, hiding);
    if (!hiding || !this.normalized || this.hides(key, hiding)) return error;
    // With s the sum that the weights w are divided by, w / s is off by at most (e + w / s E) / (s - E),
    // where e is the error of w and E that of s.
    let ofSum = 0;
    for (let other = 0; other < this.keys; other++) ofSum += this.error(query, other, hiding);
    const least = this.rest(query, hiding) - ofSum;
    const bound = error + this.shown(query, key, hiding) * ofSum;
    return least > 0 ? Math.min(1, bound / least) : ofSum && 1;
  }
}

/** The weights of one head as they are stored, key by key. */
export class Head extends Shown {
  /**
   * @param {Float32Array | Uint8Array} values
   * @param {Stack} stack
   * @param {number} layer
   * @param {number} head
   */
  constructor(values, stack, layer, head) {
    super(stack);
    this.values = values;
    this.largest = stack.largest;
    const sinks = statisticsOf(stack, layer, head).sinks ?? [];
    const choices = [keyAxis(stack).special, sinks.map(([key]) => key)];
    /** By what is left out, the keys. */
    this.left = [[], [0], [1], [0, 1]].map((of) => new Set(of.flatMap((each) => choices[each])));
    this.sums = /** @type {Float64Array[]} */ ([]);
  }

  /** @param {number} query @param {number} key */
  at(query, key) {
    const value = this.values[key * this.queries + query];
    return this.values instanceof Uint8Array ? FROM_U8[value] * this.largest : value;
  }

  /** @param {number} key @param {number} hiding */
  hides(key, hiding) {
    return this.left[hiding].has(key);
  }

  /** @param {number} query @param {number} key @param {number} hiding */
  seen(query, key, hiding) {
    return this.left[hiding].has(key) ? 0 : this.at(query, key);
  }

  /** @param {number} query @param {number} hiding */
  rest(query, hiding) {
    // Row by row, because a pair is shown in all heads, and most of their rows are never asked for.
    const sums = (this.sums[hiding] ??= new Float64Array(this.queries).fill(-1));
    if (sums[query] < 0) {
      sums[query] = 0;
      for (let key = 0; key < this.keys; key++) sums[query] += this.seen(query, key, hiding);
    }
    return sums[query];
  }

  /** @param {number} query @param {number} key @param {number} hiding */
  error(query, key, hiding) {
    if (this.left[hiding].has(key)) return 0;
    const share = this.at(query, key) / this.largest;
    return this.largest * (2 * ROOT_ERROR * Math.sqrt(share) + ROOT_ERROR ** 2);
  }
}

/**
 * The weights of one head between words: summed over the pieces of a key, averaged over those of a
 * query, so that rows which sum to 1 still do (Clark et al. 2019, section 4.1).
 */
export class WordHead extends Shown {
  /**
   * @param {Head} head
   * @param {Stack} stack
   */
  constructor(head, stack) {
    super(stack);
    this.head = head;
    this.spans = /** @type {import("./types").Spans} */ (stack.spans);
  }

  /**
   * @param {number} query
   * @param {number} key
   * @param {(query: number, key: number) => number} of
   */
  merged(query, key, of) {
    const [queries, keys] = [this.spans.query[query], this.spans.key[key]];
    let sum = 0;
    for (let i = 0; i < queries.length; i++)
      for (let j = 0; j < keys.length; j++) sum += of(queries[i], keys[j]);
    return sum / queries.length;
  }

  /** @param {number} query @param {number} key */
  at(query, key) {
    return this.merged(query, key, (q, k) => this.head.at(q, k));
  }

  /** @param {number} key @param {number} hiding */
  hides(key, hiding) {
    return this.spans.key[key].every((piece) => this.head.hides(piece, hiding));
  }

  /** @param {number} query @param {number} key @param {number} hiding */
  seen(query, key, hiding) {
    return this.merged(query, key, (q, k) => this.head.seen(q, k, hiding));
  }

  /** @param {number} query @param {number} hiding */
  rest(query, hiding) {
    const queries = this.spans.query[query];
    return queries.reduce((sum, q) => sum + this.head.rest(q, hiding), 0) / queries.length;
  }

  /** @param {number} query @param {number} key @param {number} hiding */
  error(query, key, hiding) {
    return this.merged(query, key, (q, k) => this.head.error(q, k, hiding));
  }
}

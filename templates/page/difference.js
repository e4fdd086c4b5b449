/** What one head gives more or less than another over the same positions. */

/** @typedef {import("./head.js").Head | import("./head.js").WordHead} AnyHead */
/** @typedef {import("./none.js").Cells} Cells */

/** The second head less the first, as both are shown. */
export class Difference {
  /**
   * @param {AnyHead} first
   * @param {AnyHead} second
   * @param {(hiding: number) => Cells | null} none the cells in which one of the two has no weight,
   *   by what is left out
   */
  constructor(first, second, none) {
    this.first = first;
    this.second = second;
    this.none = none;
    this.queries = first.queries;
    this.keys = first.keys;
    /** The largest difference, by what is left out. */
    this.most = /** @type {number[]} */ ([]);
  }

  /**
   * @param {number} query
   * @param {number} key
   * @param {number} hiding
   */
  shown(query, key, hiding) {
    return this.second.shown(query, key, hiding) - this.first.shown(query, key, hiding);
  }

  /**
   * The largest difference of a row, to more or to less, where both heads have a weight.
   * @param {number} query
   * @param {number} hiding
   */
  maximum(query, hiding) {
    const isNone = this.none(hiding)?.(query);
    let most = 0;
    for (let key = 0; key < this.keys; key++)
      if (!isNone?.(key)) most = Math.max(most, Math.abs(this.shown(query, key, hiding)));
    return most;
  }

  /**
   * The largest difference of all where both heads have a weight.
   * @param {number} hiding
   */
  largest(hiding) {
    this.most[hiding] ??= Math.max(
      ...Array.from({ length: this.queries }, (_, query) => this.maximum(query, hiding)),
    );
    return this.most[hiding];
  }

  /**
   * How far the shown difference may be from what the captured weights give.
   * @param {number} query
   * @param {number} key
   * @param {number} hiding
   */
  errorBound(query, key, hiding) {
    return this.first.errorBound(query, key, hiding) + this.second.errorBound(query, key, hiding);
  }
}

/** Pieces of tokenizers merged into words: the same attention over fewer positions. */

/** @typedef {import("./types").Stack} Stack */
/** @typedef {import("./types").Axis} Axis */

/** @param {Stack} stack */
export const hasWords = ({ conditions }) => conditions.includes("words");

/**
 * A stack whose positions are the words of another. Its statistics stay those of the pieces.
 * @param {Stack} stack
 * @returns {Stack}
 */
export function wordStack(stack) {
  const [query, key] = [stack.query, stack.key ?? stack.query].map(wordSpans);
  const links = stack.reference.map((pairs) => pairs && mergedLinks(pairs, query, key));
  const longest = Math.max(...key.map(({ length }) => length));
  return {
    ...stack,
    query: wordAxis(stack.query, query),
    key: stack.key && wordAxis(stack.key, key),
    reference: links,
    // Only rows that need not sum to one can add up to more than the largest weight.
    largest: stack.conditions.includes("normalized") ? stack.largest : stack.largest * longest,
    spans: { query, key },
  };
}

/**
 * Positions of each word; of what has no pieces, each position by itself.
 * @param {Axis} axis
 */
function wordSpans({ labels, pieces = labels.map(() => 1) }) {
  let next = 0;
  return pieces.map((count) => Array.from({ length: count }, () => next++));
}

/**
 * @param {Axis} axis
 * @param {number[][]} spans
 * @returns {Axis}
 */
function wordAxis(axis, spans) {
  const { merged } = axis;
  if (!merged) return axis;
  const special = new Set(axis.special);
  const wordOf = spans.flatMap((span, word) => span.map(() => word));
  const labels = spans.map(
    ([first], word) => merged[word] ?? axis.read[first] ?? axis.labels[first],
  );
  return {
    kind: axis.kind,
    labels,
    drawn: {},
    read: {},
    special: spans.flatMap((span, word) => (span.every((each) => special.has(each)) ? [word] : [])),
    // A word stands where its first piece is written.
    words: axis.words
      .map((positions) => positions.filter((each) => spans[wordOf[each]][0] === each))
      .map((firsts) => firsts.map((each) => wordOf[each]))
      .filter(({ length }) => length > 0),
  };
}

/**
 * The words of the linked pieces, each pair once.
 * @param {[number, number][]} links
 * @param {number[][]} query
 * @param {number[][]} key
 */
function mergedLinks(links, query, key) {
  const found = links.map(([q, k]) => `${wordAt(query, q)} ${wordAt(key, k)}`);
  return [...new Set(found)].map(
    (pair) => /** @type {[number, number]} */ (pair.split(" ").map(Number)),
  );
}

/**
 * The word that a piece belongs to.
 * @param {number[][]} spans
 * @param {number} piece
 */
export const wordAt = (spans, piece) => spans.findIndex((span) => span.includes(piece));

/** Which heads are wanted, and in which order. */

import { measuresNow, NO_PATTERN, patternsOf, statisticNamed } from "./heads.js";
import { flatIndex, headsOf, stackAt, statisticsOf } from "./manifest.js";

/** @typedef {import("./types").State} State */
/** @typedef {import("./types").HeadPlace} HeadPlace */

/** The order by how clearly a head shows its pattern, or the one that is asked for. */
export const BY_PATTERN = "pattern";

/**
 * Which heads are wanted, in one line: charts name their rows by it.
 * @param {Readonly<State>} state
 */
export function wantedKey({ pattern, limits }) {
  const bounds = Object.entries(limits).map(([name, [least, most]]) => `${name}:${least}:${most}`);
  return [pattern, ...bounds].join("~");
}

/**
 * For every head of a stack, layer by layer, whether it is wanted.
 * @param {number} stackIndex
 * @param {string} key from `wantedKey`
 * @returns {boolean[]}
 */
export function wantedHeads(stackIndex, key) {
  const [asked, ...bounds] = key.split("~");
  const pattern = patternIn(stackIndex, asked);
  const limits = bounds.map((bound) => {
    const [name, least, most] = bound.split(":");
    return { statistic: statisticNamed(stackIndex, name), least: +least, most: +most };
  });
  return headsOf(stackAt(stackIndex)).map(({ layer, head }, flat) => {
    if (pattern && !shows(stackIndex, layer, head, pattern)) return false;
    return limits.every(({ statistic, least, most }) => {
      // Another stack may lack the statistic; a limit on it says nothing there.
      if (!statistic) return true;
      const value = statistic.values[flat];
      return value !== null && value >= least && value <= most;
    });
  });
}

/**
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 * @param {string} pattern
 */
export function shows(stackIndex, layer, head, pattern) {
  const found = patternsOf(stackIndex, layer, head);
  if (pattern === NO_PATTERN) return found.length === 0;
  return found.some(({ name }) => name === pattern);
}

/**
 * The wanted heads in the chosen order; those without a value come last.
 * @param {Readonly<State>} state
 * @returns {HeadPlace[]}
 */
export function rankedHeads(state) {
  const { stack, order, ascending } = state;
  const wanted = wantedHeads(stack, wantedKey(state));
  const heads = headsOf(stackAt(stack)).filter((_, flat) => wanted[flat]);
  if (!order) return heads;
  const sign = ascending ? 1 : -1;
  const ranked = heads.map((place) => ({ place, value: rankOf(state, place) }));
  ranked.sort((a, b) => {
    if (a.value === null || b.value === null) return +(a.value === null) - +(b.value === null);
    return sign * (a.value - b.value);
  });
  return ranked.map(({ place }) => place);
}

/**
 * What a head is ranked by: a statistic, or how clear its pattern is from 0 to 1.
 * @param {Readonly<State>} state
 * @param {HeadPlace} place
 * @returns {number | null}
 */
export function rankOf({ stack, order, pattern }, { layer, head }) {
  if (order === BY_PATTERN) {
    const found = patternsOf(stack, layer, head);
    return (found.find(({ name }) => name === pattern) ?? found[0])?.clarity ?? null;
  }
  return statisticNamed(stack, order)?.values[flatIndex(stackAt(stack), layer, head)] ?? null;
}

/**
 * How many heads of a stack show each pattern, the most frequent first; heads without one last.
 * @param {number} stackIndex
 * @returns {[name: string, count: number][]}
 */
export function patternCounts(stackIndex) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  let none = 0;
  for (const head of measuresNow(stackIndex).patterns) {
    if (!head.length) none++;
    for (const { name } of head) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const found = [...counts].sort((a, b) => b[1] - a[1]);
  return none ? [...found, [NO_PATTERN, none]] : found;
}

/**
 * The pattern that is asked for; none where no head of the stack shows it, so that in another example
 * heads do not vanish for nothing.
 * @param {number} stackIndex
 * @param {string} asked
 */
export const patternIn = (stackIndex, asked) =>
  patternCounts(stackIndex).some(([name]) => name === asked) ? asked : "";

/**
 * The pattern that a walk from the chosen head follows: the one that is asked for if the head shows
 * it, else what the head is called.
 * @param {Readonly<State>} state
 */
export function walkedPattern({ stack, layer, head, pattern }) {
  if (pattern && shows(stack, layer, head, pattern)) return pattern;
  return statisticsOf(stackAt(stack), layer, head).pattern;
}

/**
 * The heads that a walk from the chosen one goes through, and its place among them.
 * @param {Readonly<State>} state
 * @returns {{ heads: HeadPlace[], at: number }}
 */
export function walk(state) {
  const heads = rankedHeads({ ...state, pattern: walkedPattern(state), limits: {} });
  const at = heads.findIndex(({ layer, head }) => layer === state.layer && head === state.head);
  return { heads, at };
}

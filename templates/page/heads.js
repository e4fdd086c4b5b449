/** What is measured of the heads of a stack: statistics beside chance, patterns, similar heads. */

import { blockText, bytesOf, inflate } from "./blocks.js";
import { baseOf, flatIndex, manifest, patternTitle, stackAt } from "./manifest.js";

/** @typedef {import("./types").HeadMeasures} HeadMeasures */
/** @typedef {import("./types").HeadStatistic} HeadStatistic */
/** @typedef {import("./types").HeadPattern} HeadPattern */

/** What a head is called that shows no pattern, as attnreport/analysis names it. */
export const NO_PATTERN = "no pattern";

/** @type {Map<number, HeadMeasures>} */
const decoded = new Map();

/** @type {HeadMeasures} */
const NOTHING = { statistics: [], patterns: [], similar: [], compared: 0, needs: [] };

/**
 * What is known of the heads of a stack; nothing until it is decoded, or if it is damaged.
 * @param {number} stackIndex
 */
export const measuresNow = (stackIndex) => decoded.get(baseOf(stackIndex)) ?? NOTHING;

/** @param {number} stackIndex */
export async function loadMeasures(stackIndex) {
  if (decoded.has(baseOf(stackIndex))) return;
  const { id, size } = stackAt(stackIndex).measures;
  const text = await blockText(id);
  try {
    const read = JSON.parse(new TextDecoder().decode(await inflate(bytesOf(text), size)));
    decoded.set(baseOf(stackIndex), opened(read, stackAt(stackIndex).statistics.length));
  } catch (error) {
    throw new Error("the statistics of the heads in this file are damaged", { cause: error });
  }
}

/**
 * @param {any} read
 * @param {number} heads
 * @returns {HeadMeasures}
 */
function opened({ statistics, patterns, similar, compared, needs = [] }, heads) {
  const each = (/** @type {any} */ values) =>
    Array.isArray(values) ? values : new Array(heads).fill(values);
  return {
    similar,
    compared,
    needs,
    statistics: statistics.map((/** @type {any[]} */ [name, values, chances]) => {
      const [unit, meaning] = manifest.glossary.statistics[name];
      return { name, unit, meaning, values: each(values), chances: each(chances) };
    }),
    patterns: patterns.map((/** @type {any[][]} */ head) =>
      head.map(([name, evidence, confidence, clarity]) => ({
        name,
        evidence,
        confidence,
        clarity,
      })),
    ),
  };
}

/**
 * @param {number} stackIndex
 * @param {string} name
 * @returns {HeadStatistic | null}
 */
export const statisticNamed = (stackIndex, name) =>
  measuresNow(stackIndex).statistics.find((each) => each.name === name) ?? null;

/**
 * The patterns that a head shows, the most telling first.
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 */
export const patternsOf = (stackIndex, layer, head) =>
  measuresNow(stackIndex).patterns[flatIndex(stackAt(stackIndex), layer, head)] ?? [];

/**
 * A pattern as it is called among the keys of a stack: `previous cell`, not `previous token`.
 * @param {number} stackIndex
 * @param {string} pattern
 */
export function titleIn(stackIndex, pattern) {
  const same = stackAt(stackIndex).statistics.find((head) => head.pattern === pattern);
  return same ? patternTitle(same) : pattern;
}

/**
 * A value with its unit.
 * @param {HeadStatistic} statistic
 * @param {number | null} value
 */
export function valueText({ unit }, value) {
  if (value === null) return "–";
  // Small shares have a decimal, unless it would say no more than 0 or 10.
  if (unit === "share")
    return `${(100 * value).toFixed(value >= 0.0005 && value < 0.0995 ? 1 : 0)}%`;
  if (unit === "bits") return `${value.toFixed(2)} bits`;
  if (unit === "score") return value === 0 ? "0" : value.toPrecision(2);
  return value.toFixed(1);
}

/**
 * What even attention has on average over the heads; null where no head has the statistic.
 * @param {HeadStatistic} statistic
 */
export function usualChance({ chances }) {
  const known = chances.filter((chance) => chance !== null);
  return known.length ? known.reduce((sum, chance) => sum + chance, 0) / known.length : null;
}

/**
 * The largest number there is of a statistic, also by chance.
 * @param {HeadStatistic} statistic
 */
export const largest = ({ values, chances }) =>
  Math.max(1e-9, ...values.map((value) => value ?? 0), ...chances.map((chance) => chance ?? 0));

/**
 * The least number there is of a statistic, 0 unless some are below it.
 * @param {HeadStatistic} statistic
 */
export const least = ({ values }) => Math.min(0, ...values.map((value) => value ?? 0));

/**
 * Where the scale of a statistic ends: all of a share, else the largest number there is.
 * @param {HeadStatistic} statistic
 */
export const scaleEnd = (statistic) => (statistic.unit === "share" ? 1 : largest(statistic));

/**
 * The statistics by which the scatter compares heads unless others are chosen.
 * @param {number} stackIndex
 * @returns {{ across: string, up: string }}
 */
export function usualAxes(stackIndex) {
  const names = measuresNow(stackIndex).statistics.map(({ name }) => name);
  const across = ["mean distance", "confidence"].find((name) => names.includes(name));
  return { across: across ?? names[0] ?? "", up: "entropy" };
}

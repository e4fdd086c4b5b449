/** What this report is about: read once, shared by all modules. */

import { find } from "./dom.js";
import { hasWords, wordStack } from "./words.js";

/** @type {import("./types").Manifest} */
export const manifest = opened(JSON.parse(find("#manifest").textContent ?? ""));

/**
 * Gives each stack its axes, which stand in the manifest once however many stacks share them.
 * @param {any} read
 */
function opened(read) {
  const axes = read.axes.map(labelled);
  for (const stack of read.stacks) {
    stack.conditions = read.conditions[stack.conditions];
    stack.query = axes[stack.query];
    stack.key = stack.key === null ? null : axes[stack.key];
  }
  return read;
}

/**
 * Cells and channels are numbered here, and not in the page.
 * @param {any} axis
 * @returns {import("./types").Axis}
 */
function labelled(axis) {
  if (axis.labels) return axis;
  const { height = 1, width = axis.count, leading = [], drawn = {}, read = {} } = axis;
  const labels = [...leading];
  for (let place = 0; place < height * width; place++) {
    const cell = axis.count ? `${place}` : `${Math.floor(place / width)},${place % width}`;
    read[labels.length] = `${axis.count ? "channel" : "cell"} ${cell}`;
    labels.push(cell);
  }
  const special = leading.map((/** @type {string} */ _, /** @type {number} */ place) => place);
  return { ...axis, labels, drawn, read, special, words: labels.map((_, place) => [place]) };
}

/** What the numbers of each kind of map are; of all others they are weights. */
const NOUNS = { gate: "strength", activation: "activation" };

/** @param {import("./types").Stack} stack */
export const nounOf = ({ kind }) => NOUNS[/** @type {keyof typeof NOUNS} */ (kind)] ?? "weight";

/** Stacks between words, by the number of what they are merged from. */
const wordStacks = /** @type {import("./types").Stack[]} */ ([]);

/**
 * The stacks of the manifest are followed by as many in which pieces are merged into words.
 * @param {number} index
 * @returns {import("./types").Stack}
 */
export function stackAt(index) {
  const base = baseOf(index);
  return base === index ? manifest.stacks[index] : (wordStacks[base] ??= wordStack(stackAt(base)));
}

/**
 * The stack of the manifest that a stack shows.
 * @param {number} index
 */
export const baseOf = (index) => index % manifest.stacks.length;

/**
 * The stack that shows the same as another, in words or in pieces. Not every text has words.
 * @param {number} index
 * @param {boolean} words
 */
export const viewOf = (index, words) =>
  baseOf(index) + (words && hasWords(stackAt(baseOf(index))) ? manifest.stacks.length : 0);

/** @param {import("./types").Stack} stack */
export const keyAxis = (stack) => stack.key ?? stack.query;

/** @param {import("./types").Stack} stack */
export const isSelf = (stack) => stack.key === null;

/**
 * A position as it is read in sentences.
 * @param {import("./types").Axis} axis
 * @param {number} position
 */
export const label = (axis, position) => axis.read[position] ?? axis.labels[position];

/**
 * A position as charts draw it, with the marks of tokenizers.
 * @param {import("./types").Axis} axis
 * @param {number} position
 */
export const drawnLabel = (axis, position) => axis.drawn[position] ?? axis.labels[position];

/**
 * The stacks of all examples that show the same layers over the same positions as a stack; so
 * their weights can be averaged.
 * @param {number} index
 */
export function alikeTo(index) {
  const { group, query, key, heads } = stackAt(baseOf(index));
  return manifest.stacks.flatMap((other, place) => {
    const same = other.group === group && other.query === query && other.key === key;
    return same && String(other.heads) === String(heads) ? [place] : [];
  });
}

/** @param {import("./types").Stack} stack */
export const mostHeads = (stack) => Math.max(...stack.heads);

/** @param {import("./types").Stack} stack */
export const headCount = (stack) => stack.heads.reduce((sum, count) => sum + count, 0);

/**
 * Place of a head when all heads of the stack stand in one row, layer by layer.
 * @param {import("./types").Stack} stack
 * @param {number} layer
 * @param {number} head
 */
export function flatIndex(stack, layer, head) {
  let index = head;
  for (let above = 0; above < layer; above++) index += stack.heads[above];
  return index;
}

/**
 * What a reader is told of a head: the number of its layer in the model, and its own.
 * @param {import("./types").Stack} stack
 * @param {number} layer
 * @param {number} head
 */
export const headName = (stack, layer, head) => `Layer ${stack.layerNumbers[layer]}, head ${head}`;

/**
 * Place of the layer with a number, or of the one whose number is nearest.
 * @param {import("./types").Stack} stack
 * @param {number} number
 */
export function layerNumbered({ layerNumbers }, number) {
  const distances = layerNumbers.map((each) => Math.abs(each - number));
  return distances.indexOf(Math.min(...distances));
}

/**
 * @param {import("./types").Stack} stack
 * @param {number} layer
 * @param {number} head
 */
export const statisticsOf = (stack, layer, head) => stack.statistics[flatIndex(stack, layer, head)];

/**
 * What a head does most, as it is called among the keys of the stack.
 * @param {import("./types").Statistics} statistics
 */
export const patternTitle = ({ pattern, title }) => title ?? pattern;

/**
 * Every head of the stack, layer by layer.
 * @param {import("./types").Stack} stack
 * @returns {{ layer: number, head: number }[]}
 */
export function headsOf(stack) {
  return stack.heads.flatMap((count, layer) =>
    Array.from({ length: count }, (_, head) => ({ layer, head })),
  );
}

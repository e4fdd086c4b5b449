/** Which examples are right, which are wrong, and which of them the reader asked for. */

import { manifest, stackAt } from "./manifest.js";
import { choose, chosenState } from "./state.js";

/** @typedef {Readonly<import("./types").State>} State */

/** @param {State} state */
export const isCellChosen = ({ target }) => target >= 0;

/**
 * @param {number} index
 * @param {State} state
 */
export function isListed(index, state) {
  const { right, target, output } = manifest.examples[index];
  if (state.filter !== "all" && right !== (state.filter === "right")) return false;
  return !isCellChosen(state) || (target === state.target && output === state.output);
}

/**
 * Asks for some of the examples. What is looked at is one of them, if there is any.
 * @param {Partial<import("./types").State>} wanted
 */
export function ask(wanted) {
  const state = { ...chosenState(), ...wanted };
  const { example } = stackAt(state.stack);
  const first = manifest.examples.findIndex((_, index) => isListed(index, state));
  const goes = first >= 0 && !isListed(example, state);
  choose(goes ? { ...wanted, stack: stackIn(first) } : wanted);
}

/**
 * The group that is looked at, in an example; its first one where it lacks that group.
 * @param {number} example
 */
export function stackIn(example) {
  const { group } = stackAt(chosenState().stack);
  const { stacks } = manifest.examples[example];
  return stacks.find((index) => stackAt(index).group === group) ?? stacks[0];
}

/**
 * The right and the wrong examples to compare: of the chosen class, where one is chosen, and of the
 * chosen mistake, where that is one.
 * @param {State} state
 * @returns {{ right: number[], wrong: number[] }}
 */
export function compared(state) {
  const mistake = state.target !== state.output;
  const of = (/** @type {boolean} */ right) =>
    manifest.examples.flatMap((example, index) => {
      if (example.right !== right) return [];
      if (!isCellChosen(state)) return [index];
      if (example.target !== state.target) return [];
      return right || !mistake || example.output === state.output ? [index] : [];
    });
  return { right: of(true), wrong: of(false) };
}

/** Which examples are right, which are wrong, and which of them the reader asked for. */

import { manifest } from "./manifest.js";

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

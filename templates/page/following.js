/** Keeps a page at what is looked at. Changes that come meanwhile are caught up with in one go. */

import { note } from "./dom.js";
import { headName, manifest, stackAt } from "./manifest.js";
import { rowsAt } from "./rows.js";
import { choose, chosenState, shownState } from "./state.js";
import { chartNamed } from "./views.js";
import { headNow, loadHead } from "./weights.js";

/** @typedef {import("./types").State} State */

/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * @param {Readonly<State>} state
 * @param {unknown} error
 */
export function complain({ stack, layer, head }, error) {
  console.error(error);
  note(`${headName(stackAt(stack), layer, head)} could not be read: ${messageOf(error)}.`);
}

/**
 * @param {Promise<unknown>} loading
 * @param {string} consequence
 * @returns {Promise<string>} what is damaged, in a sentence; empty if nothing is
 */
export const damageIn = (loading, consequence) =>
  loading.then(
    () => "",
    (error) => `${consequence}: ${messageOf(error)}.`,
  );

/** @type {Promise<void>} */
let current = Promise.resolve();
let behind = false;
let busy = false;

/**
 * A function that brings the page up to date, and says when it is.
 * @param {(state: State) => Promise<string>} update shows a state in every view, and says what could
 *   not be shown; nothing if everything was
 */
export function following(update) {
  async function catchUp() {
    busy = true;
    while (behind) {
      behind = false;
      const state = { ...shownState() };
      try {
        note(await update(state));
      } catch (error) {
        complain(state, error);
      }
    }
    busy = false;
  }
  return () => {
    behind = true;
    if (!busy) current = catchUp();
    return current;
  };
}

/** Moments of the start, in milliseconds since the page was opened. @type {Record<string, number>} */
export const marks = { script: performance.now() };

/** For tests and for curious readers: what the page knows, as numbers. */
Object.assign(window, {
  attnreport: {
    manifest,
    marks,
    idle: () => current,
    state: () => ({ ...chosenState() }),
    choose,
    /** The weight as stored in the page. */
    weight: async (
      /** @type {number} */ stack,
      /** @type {number} */ layer,
      /** @type {number} */ head,
    ) => {
      const decoded = await loadHead(stack, layer, head);
      return Array.from({ length: decoded.queries }, (_, q) =>
        Array.from({ length: decoded.keys }, (_, k) => decoded.at(q, k)),
      );
    },
    /** What a chart is given at an `attn:` address. */
    rows: rowsAt,
    decoded: () => headNow(chosenState().stack, chosenState().layer, chosenState().head) !== null,
    stack: () => stackAt(chosenState().stack),
    view: (/** @type {string} */ name) => chartNamed(name)?.view ?? null,
  },
});

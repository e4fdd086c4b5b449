/** The heads of two recordings, by how much they changed. */

import { find, show } from "./dom.js";
import { tip } from "./format.js";
import { flatIndex, headName, headsOf, patternTitle, stackAt } from "./manifest.js";
import { mode } from "./palette.js";
import { choose, chosenState } from "./state.js";
import { headTile, listenToTiles, markTile } from "./tiles.js";

/** @typedef {Readonly<import("./types").State>} State */
/** @typedef {import("./types").HeadPlace} HeadPlace */

/** More are listed when a reader asks for them. */
const MOST = 24;

let everything = false;
let listed = "";

/**
 * How much a head changed; null where that cannot be said.
 * @param {number} stackIndex
 * @param {HeadPlace} place
 */
export function changeOf(stackIndex, { layer, head }) {
  const stack = stackAt(stackIndex);
  return stack.change?.distances[flatIndex(stack, layer, head)] ?? null;
}

/** @param {number | null} change */
export const changeText = (change) => (change === null ? "–" : change.toFixed(3));

/**
 * The heads, the most changed first; those of which nothing is known come last.
 * @param {number} stackIndex
 */
export function rankedByChange(stackIndex) {
  const ranked = headsOf(stackAt(stackIndex)).map((place) => {
    return { ...place, change: changeOf(stackIndex, place) };
  });
  return ranked.sort((a, b) => (b.change ?? -1) - (a.change ?? -1));
}

/**
 * All heads as cells of a grid, as dark as they changed.
 * @param {number} stackIndex
 */
export function changeRows(stackIndex) {
  const stack = stackAt(stackIndex);
  const most = Math.max(1e-9, ...(stack.change?.distances ?? []).map((each) => each ?? 0));
  return headsOf(stack).flatMap(({ layer, head }) => {
    const change = changeOf(stackIndex, { layer, head });
    if (change === null) return [];
    const title = headName(stack, layer, head);
    const patterns = patternsOf(stackIndex, { layer, head });
    const lines = tip([
      [title, `changed by ${changeText(change)}`],
      [patterns, ""],
    ]);
    return [
      {
        layer,
        head,
        w: change,
        share: 1,
        shade: change / most,
        name: `${title}: ${changeText(change)}`,
        tip: lines,
      },
    ];
  });
}

/**
 * What a head does in both.
 * @param {number} stackIndex
 * @param {HeadPlace} place
 */
export function patternsOf(stackIndex, { layer, head }) {
  const stack = stackAt(stackIndex);
  const flat = flatIndex(stack, layer, head);
  const before = patternTitle(stack.statistics[flat]);
  const after = patternTitle(stackAt(stack.other ?? 0).statistics[flat]);
  return before === after ? before : `${before} → ${after}`;
}

export function showChanges() {
  const state = chosenState();
  const { stack } = state;
  const list = find("#change-list");
  const asked = [stack, mode(), everything].join();
  if (asked !== listed) {
    listed = asked;
    const heads = rankedByChange(stack);
    const first = everything ? heads : heads.slice(0, MOST);
    const name = (/** @type {HeadPlace} */ { layer, head }) =>
      `${headName(stackAt(stack), layer, head)}, ${patternsOf(stack, { layer, head })}`;
    list.replaceChildren(
      ...first.map((place) => headTile(stack, place, changeText(place.change), name(place))),
    );
    const more = find("#more-changes");
    more.hidden = heads.length === first.length;
    more.textContent = `Show all ${heads.length}`;
  }
  markTile(list, state);
  const heads = rankedByChange(stack);
  const rank = heads.findIndex(({ layer, head }) => layer === state.layer && head === state.head);
  show("rank", heads.length > 1 ? ` · ${rank + 1} of ${heads.length}, most changed first` : "");
  show("change", changeText(changeOf(stack, state)));
  show("patterns", patternsOf(stack, state));
}

/**
 * Goes to the head that changed next most, or to the one that changed next less, around the ends.
 * @param {number} step
 */
export function walkChanges(step) {
  const { stack, layer, head } = chosenState();
  const heads = rankedByChange(stack);
  const at = heads.findIndex((place) => place.layer === layer && place.head === head);
  const { layer: next, head: number } = heads[(at + step + heads.length) % heads.length];
  choose({ layer: next, head: number });
}

export function listenToChanges() {
  listenToTiles(find("#change-list"));
  find("#more-changes").addEventListener("click", () => {
    everything = true;
    showChanges();
  });
}

/** The heads in an order of the reader's: one small picture each, with its place and its value. */

import { find, show } from "./dom.js";
import { patternsOf, statisticNamed, valueText } from "./heads.js";
import { headName, patternTitle, stackAt, statisticsOf } from "./manifest.js";
import { mode } from "./palette.js";
import { BY_PATTERN, rankedHeads, rankOf, wantedKey } from "./ranking.js";
import { chosenState } from "./state.js";
import { headTile, listenToTiles, markTile } from "./tiles.js";

/** @typedef {import("./types").HeadPlace} HeadPlace */
/** @typedef {Readonly<import("./types").State>} State */

/** More are listed when a reader asks for them. */
const MOST = 96;

let everything = false;
let listed = "";

/**
 * @param {number} least
 * @param {number} value
 * @param {number} most
 */
const clamp = (least, value, most) => Math.min(most, Math.max(least, Math.round(value)));

/** Whether heads stand in a list, and not in their grid. @param {State} state */
export const isListed = ({ stack, order }) =>
  order === BY_PATTERN || statisticNamed(stack, order) !== null;

/** Lists the heads where an order is chosen, and marks the chosen one. */
export function showHeadList() {
  const list = document.querySelector("#head-list");
  if (!(list instanceof HTMLElement)) return;
  const state = chosenState();
  const shown = isListed(state);
  find("#chart-overview").hidden = shown;
  list.hidden = !shown;
  if (!shown) {
    listed = "";
    list.replaceChildren();
    find("#more-heads").hidden = true;
    show("no-heads", "");
    return;
  }
  const { stack, order, ascending } = state;
  const asked = [stack, order, ascending, wantedKey(state), mode(), everything].join();
  if (asked !== listed) {
    listed = asked;
    fill(list, state);
  }
  markTile(list, state);
}

/**
 * @param {HTMLElement} list
 * @param {State} state
 */
function fill(list, state) {
  const heads = rankedHeads(state);
  const first = everything ? heads : heads.slice(0, MOST);
  list.replaceChildren(...first.map((place) => tile(state, place)));
  // Few heads fill their card, too.
  list.style.setProperty("--tile", `${clamp(74, 640 / Math.sqrt(first.length), 150)}px`);
  const more = find("#more-heads");
  more.hidden = heads.length === first.length;
  more.textContent = `Show all ${heads.length}`;
  show("no-heads", heads.length ? "" : "No head is left: take back a pattern or a limit.");
}

/**
 * @param {State} state
 * @param {HeadPlace} place
 */
function tile(state, { layer, head }) {
  const stack = stackAt(state.stack);
  const pattern = patternTitle(statisticsOf(stack, layer, head));
  const title = `${headName(stack, layer, head)}, ${pattern}`;
  return headTile(state.stack, { layer, head }, rankText(state, { layer, head }), title);
}

/**
 * @param {State} state
 * @param {HeadPlace} place
 */
function rankText(state, { layer, head }) {
  const value = rankOf(state, { layer, head });
  const statistic = statisticNamed(state.stack, state.order);
  if (statistic) return valueText(statistic, value);
  if (value === null || !patternsOf(state.stack, layer, head).length) return "–";
  return `${Math.round(100 * value)}%`;
}

export function listenToHeadList() {
  const list = document.querySelector("#head-list");
  if (!(list instanceof HTMLElement)) return;
  listenToTiles(list);
  find("#more-heads").addEventListener("click", () => {
    everything = true;
    showHeadList();
  });
}

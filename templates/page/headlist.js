/** The heads in an order of the reader's: one small picture each, with its place and its value. */

import { element, find, findAll, show } from "./dom.js";
import { patternsOf, statisticNamed, valueText } from "./heads.js";
import { headName, patternTitle, stackAt, statisticsOf } from "./manifest.js";
import { mode } from "./palette.js";
import { BY_PATTERN, rankedHeads, rankOf, wantedKey } from "./ranking.js";
import { choose, chosenState } from "./state.js";
import { paintHead } from "./thumbnails.js";

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
  mark(list, state);
}

/**
 * @param {HTMLElement} list
 * @param {State} state
 */
function fill(list, state) {
  const heads = rankedHeads(state);
  const first = everything ? heads : heads.slice(0, MOST);
  list.replaceChildren(...first.map((place) => element("li", {}, headButton(state, place))));
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
function headButton(state, { layer, head }) {
  const stack = stackAt(state.stack);
  const value = rankText(state, { layer, head });
  const pattern = patternTitle(statisticsOf(stack, layer, head));
  const name = `${headName(stack, layer, head)}, ${pattern}`;
  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { "aria-hidden": "true" }));
  paintHead(canvas, state.stack, { layer, head });
  return element(
    "button",
    { type: "button", "data-place": `${layer} ${head}`, title: name },
    canvas,
    element("b", {}, `L${stack.layerNumbers[layer]} H${head}`),
    element("span", {}, value),
  );
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

/**
 * One of the buttons can be reached with Tab; arrows go on from there.
 * @param {HTMLElement} list
 * @param {State} state
 */
function mark(list, { layer, head }) {
  const buttons = findAll("button", list);
  const own = buttons.find(({ dataset }) => dataset.place === `${layer} ${head}`);
  for (const button of buttons) {
    if (button === own) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    button.tabIndex = button === (own ?? buttons[0]) ? 0 : -1;
  }
}

export function listenToHeadList() {
  const list = document.querySelector("#head-list");
  if (!(list instanceof HTMLElement)) return;
  list.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button) chooseAt(button);
  });
  list.addEventListener("keydown", (event) => {
    const button = event.target instanceof HTMLButtonElement ? event.target : null;
    const next = button && neighbor(list, button, event.key);
    if (!next || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    next.focus();
    chooseAt(next);
  });
  find("#more-heads").addEventListener("click", () => {
    everything = true;
    showHeadList();
  });
}

/** @param {HTMLElement} button */
function chooseAt(button) {
  const [layer, head] = (button.dataset.place ?? "").split(" ").map(Number);
  choose({ layer, head });
}

/**
 * The button that an arrow leads to: the next one, or the nearest in the next row.
 * @param {HTMLElement} list
 * @param {HTMLElement} button
 * @param {string} key
 */
function neighbor(list, button, key) {
  const buttons = findAll("button", list);
  const at = buttons.indexOf(button);
  const top = (/** @type {HTMLElement} */ each) => each.getBoundingClientRect().top;
  const perRow = buttons.filter((each) => top(each) === top(buttons[0])).length;
  /** @type {Record<string, number>} */
  const places = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    ArrowUp: at - perRow,
    ArrowDown: at + perRow,
    Home: 0,
    End: buttons.length - 1,
  };
  return key in places ? (buttons[places[key]] ?? null) : null;
}

/** Heads as buttons: a small picture each, its place and what is said of it. */

import { element, findAll } from "./dom.js";
import { stackAt } from "./manifest.js";
import { choose } from "./state.js";
import { paintHead } from "./thumbnails.js";

/** @typedef {import("./types").HeadPlace} HeadPlace */

/**
 * @param {number} stackIndex
 * @param {HeadPlace} place
 * @param {string} text below its name
 * @param {string} title what it is, for pointers that rest on it
 */
export function headTile(stackIndex, { layer, head }, text, title) {
  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { "aria-hidden": "true" }));
  paintHead(canvas, stackIndex, { layer, head });
  const button = element(
    "button",
    { type: "button", "data-place": `${layer} ${head}`, title },
    canvas,
    element("b", {}, `L${stackAt(stackIndex).layerNumbers[layer]} H${head}`),
    element("span", {}, text),
  );
  return element("li", {}, button);
}

/**
 * Marks the chosen head. One of the tiles can be reached with Tab; arrows go on from there.
 * @param {HTMLElement} list
 * @param {HeadPlace} chosen
 */
export function markTile(list, { layer, head }) {
  const buttons = findAll("button", list);
  const own = buttons.find(({ dataset }) => dataset.place === `${layer} ${head}`);
  for (const button of buttons) {
    if (button === own) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    button.tabIndex = button === (own ?? buttons[0]) ? 0 : -1;
  }
}

/**
 * A click on a tile chooses its head, and arrows go from tile to tile.
 * @param {HTMLElement} list
 */
export function listenToTiles(list) {
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

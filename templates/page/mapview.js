/** Pointer and keys over maps, what stands beside them, and the words under them. */

import { element, find, findAll, show } from "./dom.js";
import { weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { isSelf, keyAxis, label, manifest, nounOf, stackAt } from "./manifest.js";
import { HEAVIEST, heaviest, mapOf } from "./maps.js";
import { meansNow } from "./means.js";
import { isCellChosen } from "./outcomes.js";
import { leave, pairAt, pointAt } from "./pointing.js";
import { shadeOf } from "./scales.js";
import { choosePosition, chosenState, shownState } from "./state.js";
import { placeUnder } from "./views.js";
import { headNow } from "./weights.js";

/** @typedef {import("./pointing.js").Side} Side */
/** @typedef {import("./pointing.js").State} State */

/** @param {Side} side @param {State} state */
const axisOf = (side, { stack }) =>
  side === "key" ? keyAxis(stackAt(stack)) : stackAt(stack).query;

/**
 * @param {import("./views.js").Chart} chart
 * @param {MouseEvent} event
 */
function cellUnder(chart, event) {
  const { view } = chart;
  const [columns, rows] = [view.signal("columns"), view.signal("rows")];
  const [column, row] = placeUnder(chart, event) ?? [-1, -1];
  return column >= 0 && row >= 0 && column < columns && row < rows ? row * columns + column : -1;
}

/**
 * @param {import("./views.js").Chart} chart
 * @param {Side} side
 */
export function listenToMap(chart, side) {
  const { place } = chart;
  const before = () => axisOf(side, shownState()).special.length;
  place.addEventListener("pointermove", (event) => {
    const cell = cellUnder(chart, event);
    if (cell < 0) return leave();
    pointAt(side, before() + cell, event);
  });
  place.addEventListener("pointerleave", leave);
  place.addEventListener("click", (event) => {
    const cell = cellUnder(chart, event);
    if (cell >= 0) choosePosition(side, before() + cell);
  });
  place.addEventListener("keydown", (event) => {
    const next = event.altKey || event.ctrlKey || event.metaKey ? null : moved(side, event.key);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    choosePosition(side, next);
  });
}

/**
 * Where an arrow leads from the chosen position: to the neighboring cell, or from the first row to
 * what stands before the cells and back.
 * @param {Side} side
 * @param {string} key
 */
function moved(side, key) {
  const state = chosenState();
  const axis = axisOf(side, state);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -(axis.width ?? 1), ArrowDown: axis.width };
  const by = step[/** @type {keyof typeof step} */ (key)];
  if (by === undefined) return null;
  const at = side === "query" || isSelf(stackAt(state.stack)) ? state.q : state.k;
  const before = axis.special.length;
  if (at < before) return Math.max(0, Math.min(axis.labels.length - 1, at + Math.sign(by)));
  const next = at + by;
  if (next < before) return Math.max(0, before ? before - 1 : at);
  return next < axis.labels.length ? next : at;
}

/**
 * The class token and the registers of an axis, which are no cells.
 * @param {Side} side
 * @param {State} state
 */
function showLeading(side, state) {
  const place = find(`#leading-${side}`);
  const axis = axisOf(side, state);
  const self = isSelf(stackAt(state.stack));
  const leading = side === "query" && self ? [] : (axis.leading ?? []);
  place.hidden = leading.length === 0;
  const head = headNow(state.stack, state.layer, state.head);
  if (!head || place.hidden) return;
  const map = mapOf(side, state);
  const at = side === "query" || self ? state.q : state.k;
  const focused = place.contains(document.activeElement);
  const tokens = leading.map((_, position) => {
    const { q, k } = pairAt(side, position, state);
    const weight = head.shown(q, k, hidingOf(state));
    const share = map ? Math.min(1, Math.max(0, (weight - map.low) / (map.high - map.low))) : 0;
    const token = element(
      "button",
      { type: "button", "data-position": position, "aria-pressed": String(position === at) },
      `${label(axis, position)} `,
      element("b", {}, weightText(weight)),
    );
    token.style.setProperty(
      "--w",
      `${Math.round(100 * shadeOf(map?.linear ? "linear" : state.scale, share))}%`,
    );
    return token;
  });
  place.replaceChildren(...tokens);
  if (focused) tokens[Math.min(at, tokens.length - 1)].focus();
}

/**
 * Words and markers about the maps.
 * @param {State} state
 */
export function captionMaps(state) {
  if (!document.getElementById("maps")) return;
  for (const side of /** @type {const} */ (["query", "key"])) {
    const map = mapOf(side, state);
    find(`#map-${side}`).hidden = map === null;
    showLeading(side, state);
  }
  const map = mapOf("key", state);
  const colored = state.direction === "to" ? (mapOf("query", state) ?? map) : map;
  if (colored) show("heaviest", heaviestText(colored, nounOf(stackAt(state.stack))));
}

/** Says over how many examples the means are, and of which class if a cell is chosen. */
export function captionMeans() {
  const means = meansNow();
  const counted = (/** @type {number} */ count) =>
    `${count} ${count === 1 ? "example" : "examples"}`;
  const { right, wrong } = comparedText(shownState());
  show("followed", followedText(shownState()));
  show("right-count", counted(means?.right.count ?? 0) + right);
  show("wrong-count", counted(means?.wrong.count ?? 0) + wrong);
  for (const which of /** @type {const} */ (["right", "wrong"])) {
    for (const place of findAll(`#chart-map-${which}`))
      place.classList.toggle("empty", !means?.[which].map);
  }
}

/**
 * What the right and the wrong examples are limited to; see `compared`.
 * @param {State} state
 */
function comparedText(state) {
  if (!isCellChosen(state)) return { right: "", wrong: "" };
  const { labels } = manifest.confusion ?? { labels: [] };
  const right = ` of “${labels[state.target]}”`;
  const given = state.target === state.output ? "" : `, taken for “${labels[state.output]}”`;
  return { right, wrong: right + given };
}

/**
 * Which row the means follow; a single one goes without saying. See means.js.
 * @param {State} state
 */
function followedText({ stack }) {
  const { query } = stackAt(stack);
  if (query.leading?.length) return `; from ${label(query, 0)}`;
  return query.labels.length > 1 ? "; mean of all queries" : "";
}

/**
 * @param {import("./types").GridMap} map
 * @param {string} noun what its numbers are
 */
function heaviestText(map, noun) {
  const { count, share } = heaviest(map);
  const free = map.allowed ? map.allowed.filter(Boolean).length : map.values.length;
  if (count === 0) return `No cell has more ${noun} than the others.`;
  const most = noun === "weight" ? "heaviest" : "strongest";
  const rule = `the ${most} ${Math.round(100 * HEAVIEST)}%, but none below the mean`;
  return `The outline holds ${count} of ${free} cells: ${rule}. They have ${Math.round(100 * share)}% of the ${noun} of all cells.`;
}

export function listenToLeading() {
  for (const place of findAll(".leading")) {
    const side = place.id === "leading-query" ? "query" : "key";
    const positionOf = (/** @type {Event} */ event) => {
      const token = event.target instanceof Element ? event.target.closest("button") : null;
      return token ? Number(token.dataset.position) : -1;
    };
    place.addEventListener("click", (event) => {
      const position = positionOf(event);
      if (position >= 0) choosePosition(side, position);
    });
    place.addEventListener("pointermove", (event) => {
      const position = positionOf(event);
      if (position < 0) leave();
      else pointAt(side, position, event);
    });
    place.addEventListener("pointerleave", leave);
  }
}

/** Choosing which heads are wanted and in which order: by pattern, by any statistic. */

import { element, find, findAll, show } from "./dom.js";
import {
  measuresNow,
  NO_PATTERN,
  scaleEnd,
  statisticNamed,
  titleIn,
  usualAxes,
  usualChance,
  valueText,
} from "./heads.js";
import { linkToHead } from "./link.js";
import { manifest, stackAt } from "./manifest.js";
import { BY_PATTERN, patternCounts, patternIn, rankedHeads } from "./ranking.js";
import { choose, chosenState } from "./state.js";

/** @typedef {Readonly<import("./types").State>} State */

/** So many heads are named that show a pattern most clearly. */
const MOST_NAMES = 3;

const hasControls = () => document.querySelector("#ordering") !== null;

export function listenToOrdering() {
  if (!hasControls()) return;
  find("#patterns").addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    const pattern = button.dataset.pattern ?? "";
    choose({ pattern: pattern === chosenState().pattern ? "" : pattern });
  });
  find("#clearest").addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link) return;
    event.preventDefault();
    const [layer, head] = (link.dataset.place ?? "").split(" ").map(Number);
    choose({ layer, head });
  });
  listenToSelect("#order", (order) => choose({ order, ascending: false }));
  listenToSelect("#scatter-across", (across) => choose({ across }));
  listenToSelect("#scatter-up", (up) => choose({ up }));
  find("#turn").addEventListener("click", () => choose({ ascending: !chosenState().ascending }));
  for (const id of ["#least", "#most"]) find(id).addEventListener("change", limitOrder);
  find("#limits").addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button) forget(button.dataset.limit ?? "");
  });
}

/**
 * @param {string} selector
 * @param {(value: string) => void} follow
 */
function listenToSelect(selector, follow) {
  const select = document.querySelector(selector);
  select?.addEventListener("change", () => follow(/** @type {HTMLSelectElement} */ (select).value));
}

/** Reads the bounds on the statistic that heads are ordered by; an empty one is no bound. */
function limitOrder() {
  const { stack, order, limits } = chosenState();
  const statistic = statisticNamed(stack, order);
  if (!statistic) return;
  const [least, most] = ["#least", "#most"].map((id) => {
    const { value } = /** @type {HTMLInputElement} */ (find(id));
    return value === "" ? null : Number(value) / scaleOf(statistic);
  });
  if (least === null && most === null) return forget(order);
  choose({ limits: { ...limits, [order]: [least ?? -Infinity, most ?? Infinity] } });
}

/** @param {string} name */
function forget(name) {
  const { [name]: _, ...limits } = chosenState().limits;
  choose({ limits });
}

/** Shares are written as percentages. @param {import("./types").HeadStatistic} statistic */
const scaleOf = ({ unit }) => (unit === "share" ? 100 : 1);

let listed = -1;

/** Shows what is chosen. */
export function showOrdering() {
  if (!hasControls()) return;
  const state = chosenState();
  if (listed !== state.stack) {
    listed = state.stack;
    listPatterns(state.stack);
    listStatistics(state.stack);
  }
  showPattern(state);
  showOrder(state);
  showLimits(state);
  showAxes(state);
  const heads = stackAt(state.stack).statistics.length;
  const wanted = rankedHeads(state).length;
  show("wanted", wanted === heads ? "" : `${wanted} of ${heads} heads`);
}

/** @param {number} stackIndex */
function listPatterns(stackIndex) {
  const all = stackAt(stackIndex).statistics.length;
  const chips = patternCounts(stackIndex).map(([name, count]) =>
    chip(name, titleIn(stackIndex, name), count),
  );
  find("#patterns").replaceChildren(chip("", "all heads", all), ...chips);
}

/**
 * @param {string} pattern
 * @param {string} title
 * @param {number} count
 */
const chip = (pattern, title, count) =>
  element(
    "button",
    { type: "button", "data-pattern": pattern, title: manifest.glossary.patterns[pattern] ?? "" },
    `${title} `,
    element("b", {}, String(count)),
  );

/** @param {number} stackIndex */
function listStatistics(stackIndex) {
  const { statistics } = measuresNow(stackIndex);
  const options = () => statistics.map(({ name }) => element("option", { value: name }, name));
  const byPattern = element("option", { value: BY_PATTERN }, "clearest pattern");
  const usual = element("option", { value: "" }, "layer and head");
  const group = element("optgroup", { label: "by statistic" }, ...options());
  find("#order").replaceChildren(
    ...[usual, ...(patternCounts(stackIndex).length ? [byPattern] : []), group],
  );
  for (const axis of findAll("#scatter-across, #scatter-up")) axis.replaceChildren(...options());
}

/** @param {State} state */
function showPattern({ stack, pattern: asked }) {
  const pattern = patternIn(stack, asked);
  for (const button of findAll("#patterns button"))
    button.setAttribute("aria-pressed", String(button.dataset.pattern === pattern));
  const meaning = manifest.glossary.patterns[pattern];
  show("pattern-meaning", pattern && meaning ? `${titleIn(stack, pattern)}: ${meaning}` : "");
  const found = pattern && pattern !== NO_PATTERN ? clearest(stack, pattern) : [];
  const links = found.flatMap((place, index) => {
    const name = `L${stackAt(stack).layerNumbers[place.layer]} H${place.head}`;
    const href = linkToHead(stack, place.layer, place.head);
    const link = element("a", { href, "data-place": `${place.layer} ${place.head}` }, name);
    return index ? [", ", link] : [link];
  });
  find("#clearest").replaceChildren(...(links.length ? ["Clearest in ", ...links, "."] : []));
}

/**
 * The heads that show a pattern most clearly.
 * @param {number} stack
 * @param {string} pattern
 */
const clearest = (stack, pattern) =>
  rankedHeads({
    ...chosenState(),
    stack,
    pattern,
    order: BY_PATTERN,
    ascending: false,
    limits: {},
  }).slice(0, MOST_NAMES);

/** @param {State} state */
function showOrder({ stack, order, ascending, pattern: asked }) {
  const pattern = patternIn(stack, asked);
  const statistic = statisticNamed(stack, order);
  const known = statistic || order === BY_PATTERN ? order : "";
  /** @type {HTMLSelectElement} */ (find("#order")).value = known;
  find("#turn").hidden = known === "";
  find("#turn").textContent = ascending ? "lowest first ↑" : "highest first ↓";
  find("#bounds").hidden = statistic === null;
  show("unit", statistic ? unitText(statistic) : "");
  if (statistic) {
    const chance = usualChance(statistic);
    const even = chance === null ? "" : ` Even attention has ${valueText(statistic, chance)}.`;
    show("order-meaning", `${statistic.meaning}${even}`);
  } else if (order === BY_PATTERN) {
    const which = pattern ? `“${titleIn(stack, pattern)}”` : "what it is called";
    show(
      "order-meaning",
      `How far a head is on the way from even attention, 0%, to showing ${which} alone, 100%.`,
    );
  } else show("order-meaning", "");
}

/** @param {import("./types").HeadStatistic} statistic */
function unitText({ unit }) {
  return unit === "share" ? "%" : unit;
}

/** @param {State} state */
function showLimits({ stack, order, limits }) {
  const statistic = statisticNamed(stack, order);
  const bounds = limits[order] ?? [-Infinity, Infinity];
  for (const [place, id] of ["#least", "#most"].entries()) {
    const input = /** @type {HTMLInputElement} */ (find(id));
    const bound = bounds[place];
    const scale = statistic ? scaleOf(statistic) : 1;
    input.value = Number.isFinite(bound) ? String(Number((bound * scale).toPrecision(4))) : "";
    if (statistic) input.max = String(Math.ceil(scaleEnd(statistic) * scale));
  }
  find("#limits").replaceChildren(
    ...Object.entries(limits).flatMap(([name, range]) => {
      const limited = statisticNamed(stack, name);
      if (!limited) return [];
      return [
        element(
          "button",
          { type: "button", "data-limit": name, title: "Take this limit back" },
          `${name} ${rangeText(limited, range)} ✕`,
        ),
      ];
    }),
  );
}

/**
 * @param {import("./types").HeadStatistic} statistic
 * @param {[number, number]} range
 */
function rangeText(statistic, [least, most]) {
  if (!Number.isFinite(least)) return `up to ${valueText(statistic, most)}`;
  if (!Number.isFinite(most)) return `from ${valueText(statistic, least)}`;
  return `${valueText(statistic, least)} to ${valueText(statistic, most)}`;
}

/** @param {State} state */
function showAxes({ stack, across, up }) {
  const usual = usualAxes(stack);
  for (const [id, name, fallback] of [
    ["#scatter-across", across, usual.across],
    ["#scatter-up", up, usual.up],
  ]) {
    const select = document.querySelector(id);
    if (select instanceof HTMLSelectElement)
      select.value = statisticNamed(stack, name) ? name : fallback;
  }
}

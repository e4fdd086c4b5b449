/** The card of the chosen head: what it does and how sure that is, in numbers, and what is like it. */

import { element, find, show } from "./dom.js";
import { measuresNow, patternsOf, scaleEnd, titleIn, valueText } from "./heads.js";
import { flatIndex, headName, headsOf, manifest, stackAt } from "./manifest.js";
import { walk, walkedPattern } from "./ranking.js";
import { choose, chosenState } from "./state.js";
import { paintHead } from "./thumbnails.js";
import { headTile } from "./tiles.js";

/** @typedef {Readonly<import("./types").State>} State */

export function listenToCard() {
  for (const [id, step] of /** @type {[string, number][]} */ ([
    ["#walk-back", -1],
    ["#walk-on", 1],
  ]))
    document.querySelector(id)?.addEventListener("click", () => walkOn(step));
  find("#alike").addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    const [layer, head] = (button.dataset.place ?? "").split(" ").map(Number);
    choose({ layer, head });
    // The button is gone; who came by keyboard goes on from the first of the new ones.
    find("#alike button").focus({ preventScroll: true });
  });
}

/**
 * Goes to the next or the previous head with the same pattern, around the ends.
 * @param {number} step
 */
export function walkOn(step) {
  const state = chosenState();
  if (!stackAt(state.stack).conditions.includes("patterns")) return;
  const { heads, at } = walk(state);
  if (heads.length) choose(heads[(Math.max(at, 0) + step + heads.length) % heads.length]);
}

/** Shows the chosen head. */
export function showCard() {
  const state = chosenState();
  if (!stackAt(state.stack).conditions.includes("attention")) return;
  paintHead(/** @type {HTMLCanvasElement} */ (find("#portrait")), state.stack, {
    layer: state.layer,
    head: state.head,
  });
  showWalk(state);
  showEvidence(state);
  showNeed(state);
  showFigures(state);
  showAlike(state);
}

/** @param {State} state */
function showWalk(state) {
  const { heads, at } = walk(state);
  const title = titleIn(state.stack, walkedPattern(state));
  show("walk", heads.length > 1 ? `${at + 1} of ${heads.length} heads: ${title}` : "");
  find("#walk").hidden = heads.length < 2;
}

/** @param {State} state */
function showEvidence({ stack, layer, head }) {
  const found = patternsOf(stack, layer, head);
  const rows = found.map(({ name, evidence, confidence }) =>
    element(
      "li",
      {},
      element("b", {}, titleIn(stack, name)),
      ` ${evidence} `,
      element(
        "small",
        {},
        `${manifest.glossary.patterns[name]} Sure to ${Math.floor(100 * confidence)}%.`,
      ),
    ),
  );
  find("#evidence").replaceChildren(...rows);
  const { conditions, query } = stackAt(stack);
  const none = conditions.includes("patterns")
    ? "It shows none of the known patterns clearly enough. That does not say that it does nothing."
    : `Patterns are told of three rows or more; here there ${query.labels.length === 1 ? "is one" : "are two"}.`;
  show("no-evidence", found.length ? "" : none);
}

/** @param {State} state */
function showNeed({ stack, layer, head }) {
  show("need", measuresNow(stack).needs[flatIndex(stackAt(stack), layer, head)] ?? "");
}

/** @param {State} state */
function showFigures({ stack, layer, head }) {
  const flat = flatIndex(stackAt(stack), layer, head);
  const rows = measuresNow(stack).statistics.map((statistic) => {
    const { name, meaning, values, chances } = statistic;
    const [value, chance] = [values[flat], chances[flat]];
    const end = scaleEnd(statistic);
    // A score may also rise without a head; a bar has no length then.
    const share = (/** @type {number | null} */ number) =>
      `${(100 * Math.max(0, number ?? 0)) / end}%`;
    const style = `--value: ${share(value)}; --chance: ${share(chance)}`;
    const bar =
      value === null
        ? ""
        : element("i", { style, class: chance === null ? "alone" : "", "aria-hidden": "true" });
    return element(
      "tr",
      {},
      element("th", { scope: "row", title: meaning }, name),
      element("td", { class: "bar" }, bar),
      element("td", {}, element("b", {}, valueText(statistic, value))),
      element("td", {}, valueText(statistic, chance)),
    );
  });
  find("#figures tbody").replaceChildren(...rows);
}

/** @param {State} state */
function showAlike({ stack, layer, head }) {
  const measures = measuresNow(stack);
  const near = measures.similar[flatIndex(stackAt(stack), layer, head)] ?? [];
  const places = headsOf(stackAt(stack));
  const buttons = near.map(([flat, distance]) => {
    const place = places[flat];
    const name = headName(stackAt(stack), place.layer, place.head);
    return headTile(stack, place, distance.toFixed(2), `Go to ${name}`);
  });
  find("#alike").replaceChildren(...buttons);
  const rows = stackAt(stack).query.labels.length;
  const { compared } = measures;
  const some = compared < rows ? ` Compared on ${compared} of ${rows} rows, evenly spread.` : "";
  const undone = "So many heads over so many positions were not compared with one another.";
  show("alike-note", compared ? some : places.length > 1 ? undone : "");
}

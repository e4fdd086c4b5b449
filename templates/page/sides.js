/** Two heads side by side, and what changed from the first to the second. */

import { find, findAll, show } from "./dom.js";
import { tip, weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { baseOf, keyAxis, label, manifest, nounOf, stackAt } from "./manifest.js";
import { mode } from "./palette.js";
import { listenToHeatmap } from "./pointer.js";
import { SIDES, whyNone } from "./pointing.js";
import { changeLegendOf, legendOf } from "./scales.js";
import { ceilingOf, titleOf } from "./signals.js";
import { sideSize } from "./sizes.js";
import { choose, shownState } from "./state.js";
import { differenceNow, loadHead } from "./weights.js";
import { loadMask } from "./masks.js";

/** @typedef {Readonly<import("./types").State>} State */
/** @typedef {import("./signals.js").Signals} Signals */
/** @typedef {import("./types").Place & { name: string }} Side */
/** @typedef {{ first: Side, second: Side, change: string }} Sides */
/** @typedef {{ q: number, k: number }} Pair */

/** Where there is room for one of them only, as the style sheet has it. */
const narrow = matchMedia("screen and (max-width: 900px)");

/** Room for the labels of queries left of a matrix, as charts/heatmap.py has it, and without. */
const LABELS = 84;
const NO_LABELS = 4;

/** Among many bars those are left out that are lower than half a pixel, as a share of the highest. */
const LONG = 96;
const FAINTEST = 0.005;

/** @param {Side} side */
const addressOf = ({ stack, layer, head }) => `${stack}/${layer}/${head}`;

/**
 * The heads that a state compares: one head in two recordings, or two of one; null if it compares
 * none.
 * @param {State} state
 * @returns {Sides | null}
 */
export function sidesOf({ stack: index, layer, head, beside }) {
  const stack = stackAt(index);
  if (stack.other !== undefined) {
    const other = stack.other + index - baseOf(index);
    const [first, second] = [index, other].map((each, side) => {
      return { stack: each, layer, head, name: SIDES[side] };
    });
    return { first, second, change: `${second.name} − ${first.name}` };
  }
  if (!beside) return null;
  const [first, second] = [{ layer, head }, beside].map((place) => {
    return { stack: index, ...place, name: `L${stack.layerNumbers[place.layer]} H${place.head}` };
  });
  return { first, second, change: `${second.name} − ${first.name}` };
}

/**
 * Decodes what is needed to compare.
 * @param {State} state
 */
export async function loadSides(state) {
  const sides = sidesOf(state);
  if (!sides) return;
  await Promise.all(
    [sides.first, sides.second].flatMap(({ stack, layer, head }) => [
      loadHead(stack, layer, head),
      loadMask(stack, layer),
    ]),
  );
}

/**
 * What the matrix of one of the two heads is told: both have the same colors.
 * @param {"first" | "second"} which
 * @returns {(signals: Signals) => Signals}
 */
const ofSide = (which) => (signals) => {
  const sides = sidesOf(/** @type {any} */ (signals));
  if (!sides) return signals;
  const ceiling = Math.max(
    ...[sides.first, sides.second].map((side) => ceilingOf(stackAt(side.stack), side)),
  );
  const { scale } = shownState();
  const { stack, layer, head } = sides[which];
  const legend = legendOf(scale, 0, ceiling, titleOf(stackAt(stack)));
  return { ...signals, stack, layer, head, ceiling, ...legend, ...labelsOf(which, signals) };
};

/**
 * What the matrix of the difference is told.
 * @param {Signals} signals
 * @returns {Signals}
 */
function ofDifference(signals) {
  const sides = sidesOf(/** @type {any} */ (signals));
  if (!sides) return signals;
  const { first, second, change } = sides;
  const hiding = Number(signals.hiding);
  const own = () => differenceNow(first, second)?.largest(hiding) ?? 1;
  const { change: changes, spans } = stackAt(first.stack);
  // Rows that are rescaled without what is left out, and words, may differ more than pieces do.
  const largest = (hiding || spans ? null : changes?.largest) ?? own();
  const ceiling = largest || 1;
  return {
    ...signals,
    against: addressOf(second),
    ceiling,
    scheme: `attn${mode()}Change`,
    ...changeLegendOf(shownState().scale, ceiling, change),
    ...labelsOf("difference", signals),
  };
}

/**
 * Side by side, the matrices share the labels of their rows.
 * @param {string} which
 * @param {Signals} signals
 */
function labelsOf(which, { queryLabels }) {
  const labelled = which === "first" || narrow.matches;
  return {
    labelRoom: labelled ? LABELS : NO_LABELS,
    queryLabels: labelled ? queryLabels : UNLABELLED,
  };
}

/** @type {string[]} */
const UNLABELLED = [];

/** @param {Signals} signals */
function ofRow(signals) {
  const sides = sidesOf(/** @type {any} */ (signals));
  return sides ? { ...signals, against: addressOf(sides.second) } : signals;
}

/** @type {(which: string) => import("./views.js").Sizing} */
const sizeOf = (which) => (width) => sideSize(width, which === "first" || narrow.matches);

/** @param {import("./views.js").Chart} chart */
const listen = (chart) => listenToHeatmap(chart, (cell) => describe(cell, shownState()));

/** @type {import("./mounting.js").Charts} */
export const SIDE_CHARTS = {
  first: { spec: "heatmap", size: sizeOf("first"), own: ofSide("first"), listen },
  second: { spec: "heatmap", size: sizeOf("second"), own: ofSide("second"), listen },
  difference: { size: sizeOf("difference"), own: ofDifference, listen },
  "paired-row": { size: (width) => ({ width: Math.max(180, width - 60) }), own: ofRow },
};

/**
 * A pair of positions in both heads: the weights, or why there is none, and their difference.
 * @param {Pair} pair
 * @param {State} state
 * @returns {{ first: string, second: string, change: string } | null}
 */
function numbersOf({ q, k }, state) {
  const sides = sidesOf(state);
  const difference = sides && differenceNow(sides.first, sides.second);
  if (!sides || !difference) return null;
  const hiding = hidingOf(state);
  const [first, second] = [sides.first, sides.second].map((side, number) => {
    const head = number ? difference.second : difference.first;
    return { none: whyNone({ q, k }, { ...state, ...side }, head), w: head.shown(q, k, hiding) };
  });
  const text = (/** @type {typeof first} */ { none, w }) => none || weightText(w);
  const by = difference.shown(q, k, hiding);
  const error =
    manifest.encoding === "float32" ? "" : ` ± ${weightText(difference.errorBound(q, k, hiding))}`;
  const change = first.none || second.none ? "–" : signed(by) + error;
  return { first: text(first), second: text(second), change };
}

/** @param {number} number */
const signed = (number) =>
  number === 0 ? "0" : `${number > 0 ? "+" : "−"}${weightText(Math.abs(number))}`;

/**
 * What the pointer says of a pair.
 * @param {Pair} pair
 * @param {State} state
 */
export function describe(pair, state) {
  const sides = sidesOf(state);
  const numbers = numbersOf(pair, state);
  if (!sides || !numbers) return "";
  const stack = stackAt(state.stack);
  return tip([
    [`${label(stack.query, pair.q)} → ${label(keyAxis(stack), pair.k)}`, nounOf(stack)],
    [sides.first.name, numbers.first],
    [sides.second.name, numbers.second],
    [sides.change, numbers.change],
  ]);
}

/**
 * Says what is compared, and the three numbers of the shown pair.
 * @param {State} state
 * @returns {string} the same in a sentence
 */
export function captionSides(state) {
  const sides = sidesOf(state);
  const numbers = numbersOf(state, state);
  if (!sides || !numbers) return "";
  const stack = stackAt(state.stack);
  const [query, key] = [label(stack.query, state.q), label(keyAxis(stack), state.k)];
  show("first-name", sides.first.name);
  show("second-name", sides.second.name);
  show("change-name", sides.change);
  show("first-weight", numbers.first);
  show("second-weight", numbers.second);
  show("change-weight", numbers.change);
  show("query", query);
  show("key", key);
  for (const which of /** @type {const} */ (["first", "second", "difference"]))
    find(`#side-${which}`).classList.toggle("shown", state.view === which);
  for (const input of /** @type {HTMLInputElement[]} */ (findAll("[name=view]")))
    input.checked = input.value === state.view;
  return `${query} to ${key}: ${numbers.first} in ${sides.first.name}, ${numbers.second} in ${sides.second.name}.`;
}

export function listenToSides() {
  for (const input of /** @type {HTMLInputElement[]} */ (findAll("[name=view]")))
    input.addEventListener("change", () => choose({ view: /** @type {any} */ (input.value) }));
  // Labels come and go with the room that there is.
  narrow.addEventListener("change", () => choose({}));
}

/**
 * The chosen row in both heads, key by key.
 * @param {import("./types").Place} first
 * @param {import("./types").Place} second
 * @param {number} q
 * @param {number} hiding
 */
export async function pairedRows(first, second, q, hiding) {
  const [one, other] = await Promise.all(
    [first, second].map((each) => loadHead(each.stack, each.layer, each.head)),
  );
  const stack = stackAt(first.stack);
  const [keys, from] = [keyAxis(stack), label(stack.query, q)];
  const names = sidesOf(shownState());
  // All of them are made anew with every row, so that they say less than the matrices do.
  const rows = Array.from({ length: one.keys }, (_, k) => {
    const weights = [one.shown(q, k, hiding), other.shown(q, k, hiding)];
    const lines = tip([
      [`${from} → ${label(keys, k)}`, ""],
      [names?.first.name ?? "", weightText(weights[0])],
      [names?.second.name ?? "", weightText(weights[1])],
    ]);
    return weights.map((w, side) => ({ k, side, w, tip: lines }));
  }).flat();
  if (one.keys <= LONG) return rows;
  const most = Math.max(...rows.map(({ w }) => w));
  return rows.filter(({ w }) => w > FAINTEST * most);
}

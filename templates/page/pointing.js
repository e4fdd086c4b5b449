/** What the pointer says about a position in a text or on a map. */

import { tip, weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { isSelf, keyAxis, label, stackAt } from "./manifest.js";
import { maskNow } from "./masks.js";
import { chosenState, hover } from "./state.js";
import { hideTip, showTip } from "./tooltip.js";
import { headNow } from "./weights.js";

/** What two recordings are called that are compared. */
export const SIDES = ["A", "B"];

/** @typedef {"query" | "key"} Side */
/** @typedef {Readonly<import("./types").State>} State */
/** @typedef {{ q: number, k: number }} Pair */

/**
 * The pair that a position of one side stands for, in the direction that is looked in.
 * @param {Side} side
 * @param {number} position
 * @param {State} state
 * @returns {Pair}
 */
export function pairAt(side, position, state) {
  const { q, direction } = state;
  const k = isSelf(stackAt(state.stack)) ? q : state.k;
  const colored = isSelf(stackAt(state.stack)) || (side === "key") === (direction === "from");
  if (!colored) return side === "key" ? { q, k: position } : { q: position, k };
  return direction === "from" ? { q, k: position } : { q: position, k };
}

/**
 * Why a pair has no weight; empty if it has one.
 * @param {Pair} pair
 * @param {State} state
 * @param {import("./head.js").Head | import("./head.js").WordHead} head
 */
export function whyNone({ q, k }, state, head) {
  const allowed = maskNow(state.stack, state.layer, state.head);
  const hiding = hidingOf(state);
  const { absent, side } = stackAt(state.stack);
  if (absent?.query.includes(q) || absent?.key.includes(k)) return `not in ${SIDES[side ?? 0]}`;
  if (allowed && !allowed(q, k)) return "masked";
  if (head.hides(k, hiding)) return "left out";
  return head.isEmpty(q, hiding) ? "nothing left of its row" : "";
}

/**
 * @param {Pair} pair
 * @param {State} state
 */
function describe(pair, state) {
  const { q, k } = pair;
  const stack = stackAt(state.stack);
  const head = headNow(state.stack, state.layer, state.head);
  if (!head) return "";
  const names = [label(keyAxis(stack), k)];
  if (stack.query.labels.length > 1) names.unshift(label(stack.query, q));
  const weight = weightText(head.shown(q, k, hidingOf(state)));
  return tip([[names.join(" → "), whyNone(pair, state, head) || weight]]);
}

/**
 * @param {Side} side
 * @param {number} position
 * @param {MouseEvent} event
 * @param {(pair: Pair, state: State) => string} [said] what the tooltip says
 */
export function pointAt(side, position, event, said = describe) {
  const state = chosenState();
  const pair = pairAt(side, position, state);
  showTip(said(pair, state), event.clientX, event.clientY);
  // A hovered query would change what is colored while the pointer walks over it.
  if (pair.q === state.q) hover(pair);
}

export function leave() {
  hover(null);
  hideTip();
}

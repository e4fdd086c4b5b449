/** What rests on sinks and special tokens, in words. */

import { find, show } from "./dom.js";
import { SINKS, SPECIAL, hidingOf } from "./head.js";
import { baseOf, keyAxis, label, stackAt, statisticsOf } from "./manifest.js";

/** @typedef {Readonly<import("./types").State>} State */
/** @typedef {import("./head.js").Head | import("./head.js").WordHead} AnyHead */

/** So many sinks are named, and more are counted. */
const MOST_NAMES = 3;

/** @param {number} share */
const percent = (share) =>
  share > 0 && share < 0.005 ? "less than 1%" : `${Math.round(100 * share)}%`;

/**
 * @param {State} state
 * @param {AnyHead} head
 */
export function captionSinks(state, head) {
  show("resting", restingText(state, head));
  show("left-out", leftOutText(state, head));
  find("#left-out").hidden = !hidingOf(state);
}

/**
 * How much of a head's attention rests on its sinks and on special tokens.
 * @param {State} state
 * @param {AnyHead} head
 */
function restingText(state, head) {
  const stack = stackAt(baseOf(state.stack));
  const keys = keyAxis(stack);
  if (stack.kind === "gate") return "";
  const { sinks = [] } = statisticsOf(stack, state.layer, state.head);
  const places = sinks.map(([place]) => place);
  const sentences = [];
  if (sinks.length) {
    const share = sinks.reduce((sum, [, mass]) => sum + mass, 0);
    const what = sinks.length > 1 ? "its sinks" : "its sink";
    sentences.push(
      `${percent(share)} of this head’s attention rests on ${what}, ${named(keys, places)}.`,
    );
  }
  const others = keys.special.filter((place) => !places.includes(place));
  if (others.length) {
    const pieces = "head" in head ? head.head : head;
    const share = meanShare(pieces, SPECIAL);
    const all = keys.special.length > 1 ? "all special tokens together" : named(keys, others);
    sentences.push(
      sinks.length
        ? `With ${all} it is ${percent(meanShare(pieces, SPECIAL | SINKS))}.`
        : `${percent(share)} of this head’s attention goes to ${all}.`,
    );
  }
  return sentences.join(" ");
}

/**
 * @param {import("./types").Axis} axis
 * @param {number[]} places
 */
function named(axis, places) {
  const names = places.slice(0, MOST_NAMES).map((place) => label(axis, place));
  const more = places.length - names.length;
  if (more) names.push(`${more} more`);
  const last = names.pop();
  return names.length ? `${names.join(", ")} and ${last}` : last;
}

/**
 * Mean share of a row that goes to the keys that are left out, over the rows that look anywhere.
 * @param {import("./head.js").Head} head
 * @param {number} hiding
 */
function meanShare(head, hiding) {
  let [sum, rows] = [0, 0];
  for (let query = 0; query < head.queries; query++) {
    const all = head.rest(query, 0);
    if (all <= 0) continue;
    sum += 1 - head.rest(query, hiding) / all;
    rows++;
  }
  return rows ? sum / rows : 0;
}

/**
 * What leaving out did to the chosen row.
 * @param {State} state
 * @param {AnyHead} head
 */
function leftOutText(state, head) {
  const hiding = hidingOf(state);
  const all = hiding ? head.rest(state.q, 0) : 0;
  if (all <= 0) return "";
  if (head.isEmpty(state.q, hiding))
    return "All attention of this row went to what is left out, so nothing of it is left to show.";
  const share = 1 - head.rest(state.q, hiding) / all;
  const done = head.normalized ? "; the rest is rescaled to 1" : "";
  return share > 0 ? `${percent(share)} of this row went to what is left out${done}.` : "";
}

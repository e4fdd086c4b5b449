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
  const pieces = "head" in head ? head.head : head;
  const places = sinks.map(([place]) => place);
  const of = keys.special.length > 1 ? "all special tokens together" : named(keys, keys.special);
  if (!sinks.length) {
    const share = percent(meanShare(pieces, SPECIAL));
    return keys.special.length ? sentence(`${share} of this head’s attention goes to ${of}.`) : "";
  }
  const share = percent(sinks.reduce((sum, [, mass]) => sum + mass, 0));
  const what = sinks.length > 1 ? "its sinks" : "its sink";
  const rests = `${share} of this head’s attention rests on ${what}, ${named(keys, places)}.`;
  if (keys.special.every((place) => places.includes(place))) return sentence(rests);
  const all = percent(meanShare(pieces, SPECIAL | SINKS));
  return sentence(all === share ? rests : `${rests} With ${of} it is ${all}.`);
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

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
  if (share <= 0) return "";
  return sentence(`${percent(share)} of this row went to what is left out${done}.`);
}

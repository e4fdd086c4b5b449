/** The text itself, each token as dark as the attention it gives or gets. */

import { find, findAll, show } from "./dom.js";
import { weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { isSelf, keyAxis, stackAt } from "./manifest.js";
import { leave, pointAt, whyNone } from "./pointing.js";
import { LONG, listenToFades, shade, tokenOf, writeText } from "./running.js";
import { shadeOf } from "./scales.js";
import { chosenState, choose, choosePosition, shownState } from "./state.js";

/** The stack whose text stands there. */
let written = -1;

/** @type {{ query: HTMLElement[], key: HTMLElement[] }} */
let spans = { query: [], key: [] };

/** @type {HTMLElement | undefined} */
let marked;

/** The tokens that Tab comes to. @type {{ query?: HTMLElement, key?: HTMLElement }} */
const stops = {};

/**
 * What is out of sight of a long text waits until the pointer rests.
 */
const REST_MS = 150;
/** About a line of text, in pixels. */
const LINE = 40;

let waiting = 0;

/**
 * Colors the tokens by the weights of the chosen query, or by those the chosen key gets.
 * @param {Readonly<import("./types").State>} state
 * @param {import("./head.js").Head | import("./head.js").WordHead} head
 */
export function colorStrips(state, head) {
  if (written !== state.stack) write(state.stack);
  const stack = stackAt(state.stack);
  const { direction } = state;
  const single = stack.conditions.includes("strip-scale");
  const colored = direction === "from" ? spans.key : isSelf(stack) ? spans.key : spans.query;
  // In self-attention the chosen query is the token that "to" asks about: one text, one choice.
  const target = isSelf(stack) ? state.q : state.k;
  const hiding = hidingOf(state);
  const pairOf = (/** @type {number} */ position) =>
    direction === "from" ? { q: state.q, k: position } : { q: position, k: target };
  const weights = colored.map((_, position) => {
    const { q, k } = pairOf(position);
    return head.shown(q, k, hiding);
  });
  const strongest = Math.max(1e-9, ...weights);
  // A single row stands for itself: twice the tint is twice the weight, up to its heaviest token.
  const scale = single ? "linear" : state.scale;
  show("strip-most", weightText(Math.max(0, ...weights)));
  const color = (/** @type {number} */ from, /** @type {number} */ to) => {
    for (let i = from; i < to; i++) {
      const none = weights[i] === 0 && whyNone(pairOf(i), state, head) !== "";
      shade(colored[i], Math.round(100 * shadeOf(scale, weights[i] / strongest)), none);
    }
  };
  clearTimeout(waiting);
  for (const span of colored === spans.key ? spans.query : spans.key) shade(span);
  if (colored.length <= LONG) {
    color(0, colored.length);
  } else {
    color(...inSight(colored));
    waiting = setTimeout(color, REST_MS, 0, colored.length);
  }
  const chosen = isSelf(stack)
    ? spans.key[state.q]
    : direction === "from"
      ? spans.query[state.q]
      : spans.key[state.k];
  mark(chosen);
  stopAt(chosenState());
}

/**
 * Where the tokens that can be seen begin and end.
 * @param {HTMLElement[]} tokens
 * @returns {[number, number]}
 */
function inSight(tokens) {
  const box = /** @type {HTMLElement} */ (tokens[0].closest(".strip")).getBoundingClientRect();
  const top = Math.max(box.top, 0) - LINE;
  const bottom = Math.min(box.bottom, innerHeight) + LINE;
  return [
    firstOf(tokens, (token) => token.getBoundingClientRect().bottom > top),
    firstOf(tokens, (token) => token.getBoundingClientRect().top > bottom),
  ];
}

/**
 * @param {HTMLElement[]} tokens in reading order
 * @param {(token: HTMLElement) => boolean} reached true from some token on
 */
function firstOf(tokens, reached) {
  let [low, high] = [0, tokens.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached(tokens[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @param {HTMLElement | undefined} span */
function mark(span) {
  if (span === marked) return;
  marked?.classList.remove("on");
  span?.classList.add("on");
  marked = span;
}

/**
 * Tab comes to the chosen token of each text, and to no other.
 * @param {Readonly<import("./types").State>} state
 */
function stopAt({ stack, q, k }) {
  const chosen = { query: spans.query[q], key: spans.key[isSelf(stackAt(stack)) ? q : k] };
  for (const which of /** @type {const} */ (["query", "key"])) {
    if (stops[which] === chosen[which]) continue;
    stops[which]?.setAttribute("tabindex", "-1");
    chosen[which]?.setAttribute("tabindex", "0");
    stops[which] = chosen[which];
  }
}

/** @param {number} stackIndex */
function write(stackIndex) {
  const stack = stackAt(stackIndex);
  written = stackIndex;
  spans = {
    query: writeStrip("query", isSelf(stack) ? null : stack.query),
    key: writeStrip("key", keyAxis(stack)),
  };
}

/**
 * Writes the text of an axis; there is none on a map and among channels.
 * @param {"query" | "key"} side
 * @param {import("./types").Axis | null} axis
 */
function writeStrip(side, axis) {
  const strip = find(`#strip-${side}`);
  const { conditions } = stackAt(written);
  const asks = conditions.includes(side === "query" ? "matrix" : "text");
  strip.hidden = !axis || !asks || /^(grid|channels)$/.test(axis.kind);
  return axis && !strip.hidden ? writeText(find(".strip", strip), axis) : [];
}

export function listenToStrips() {
  listenToFades();
  for (const input of findAll("[name=direction]")) {
    input.addEventListener("change", () => {
      const { value } = /** @type {HTMLInputElement} */ (input);
      choose({ direction: value === "to" ? "to" : "from" });
    });
  }
  for (const which of /** @type {const} */ (["query", "key"])) {
    const place = find(`#strip-${which}`);
    place.addEventListener("click", (event) => {
      const token = tokenOf(event.target);
      if (token) choosePosition(which, Number(token.dataset.position));
    });
    place.addEventListener("keydown", (event) => walk(which, event));
    place.addEventListener("pointermove", (event) => {
      const token = tokenOf(event.target);
      if (token) pointAt(which, Number(token.dataset.position), event);
      else leave();
    });
    place.addEventListener("pointerleave", leave);
  }
}

/**
 * @param {"query" | "key"} which
 * @param {KeyboardEvent} event
 */
function walk(which, event) {
  const token = tokenOf(event.target);
  const step = { ArrowRight: 1, ArrowLeft: -1, Enter: 0, " ": 0 }[event.key];
  if (!token || step === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const row = isSelf(stackAt(shownState().stack)) ? spans.key : spans[which];
  const next = row[(Number(token.dataset.position) + step + row.length) % row.length];
  next.focus();
  choosePosition(which, Number(next.dataset.position));
}

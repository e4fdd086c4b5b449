/** The text itself, each token as dark as the attention it gives or gets. */

import { element, find, findAll, show } from "./dom.js";
import { weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { isSelf, keyAxis, label, stackAt } from "./manifest.js";
import { leave, pointAt, whyNone } from "./pointing.js";
import { shadeOf } from "./scales.js";
import { chosenState, choose, choosePosition, shownState } from "./state.js";

/** The stack whose text stands there. */
let written = -1;

/** @type {{ query: HTMLElement[], key: HTMLElement[] }} */
let spans = { query: [], key: [] };

/** How dark each colored token is, in percent; -1 without a weight. @type {WeakMap<HTMLElement, number>} */
const shades = new WeakMap();

/** @type {HTMLElement | undefined} */
let marked;

/** The tokens that Tab comes to. @type {{ query?: HTMLElement, key?: HTMLElement }} */
const stops = {};

/**
 * Restyling hundreds of tokens takes longer than a frame. So a longer text does not fade from color
 * to color, and what is out of sight waits until the pointer rests.
 */
const LONG = 96;
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

/**
 * Every style that is written costs, and most tokens of a long text stay as they are.
 * @param {HTMLElement} span
 * @param {number} [percent]
 * @param {boolean} [none] whether it has no weight, which is not a weight of zero
 */
function shade(span, percent, none = false) {
  const kept = none ? -1 : percent;
  if (shades.get(span) === kept) return;
  span.classList.toggle("none", none);
  if (percent === undefined) {
    shades.delete(span);
    span.style.removeProperty("--w");
  } else {
    shades.set(span, none ? -1 : percent);
    span.style.setProperty("--w", `${percent}%`);
  }
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
  return axis && !strip.hidden ? writeAxis(find(".strip", strip), axis) : [];
}

/**
 * @param {HTMLElement} place
 * @param {import("./types").Axis} axis
 */
function writeAxis(place, axis) {
  const special = new Set(axis.special);
  /** @type {HTMLElement[]} */
  const tokens = [];
  const words = axis.words.map((positions) => {
    const inside = positions.map((position) => {
      const token = element(
        "span",
        {
          class: special.has(position) ? "tk sp" : "tk",
          role: "button",
          tabindex: -1,
          "data-position": position,
        },
        label(axis, position),
      );
      tokens[position] = token;
      return token;
    });
    return element("span", { class: "wd", dir: "auto" }, ...inside);
  });
  place.dir = directionOf(axis);
  place.replaceChildren(...words.flatMap((word) => [word, " "]));
  place.classList.toggle("long", tokens.length > LONG);
  place.classList.remove("whole");
  fade(place);
  return tokens;
}

/** Letters of scripts that run from right to left, and all letters. */
const LEFTWARD = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/gu;
const LETTERS = /\p{L}/gu;

/**
 * The direction of most letters. The first one, by which browsers go, may be that of a marker.
 * @param {import("./types").Axis} axis
 */
export function directionOf({ labels, special }) {
  const markers = new Set(special);
  const text = labels.filter((_, position) => !markers.has(position)).join("");
  const leftward = text.match(LEFTWARD)?.length ?? 0;
  return 2 * leftward > (text.match(LETTERS)?.length ?? 0) ? "rtl" : "ltr";
}

/**
 * Lets the text fade at its end if there is more of it than can be seen, and offers all of it.
 * @param {HTMLElement} place
 */
function fade(place) {
  // The fade makes room for itself, which must not count.
  place.classList.remove("cut");
  const whole = place.classList.contains("whole");
  const cut = !whole && place.scrollHeight > place.clientHeight + 4;
  place.classList.toggle("cut", cut);
  const button = find(".more", /** @type {HTMLElement} */ (place.parentElement));
  button.hidden = !cut && !whole;
  button.textContent = whole ? "Show less" : "Show the whole text";
}

export function listenToStrips() {
  const watcher = new ResizeObserver((changes) => {
    for (const { target } of changes) fade(/** @type {HTMLElement} */ (target));
  });
  // The fade changes the padding, and must not be told of that.
  for (const place of findAll(".strip")) {
    watcher.observe(place, { box: "border-box" });
    find(".more", /** @type {HTMLElement} */ (place.parentElement)).addEventListener(
      "click",
      () => {
        place.classList.toggle("whole");
        fade(place);
      },
    );
  }
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

/** @param {EventTarget | null} target */
const tokenOf = (target) =>
  /** @type {HTMLElement | null} */ (target instanceof Element ? target.closest(".tk") : null);

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

/** The texts of two recordings, each token as dark as the attention that the chosen query gives it. */

import { find, findAll } from "./dom.js";
import { hidingOf } from "./head.js";
import { isSelf, keyAxis, stackAt } from "./manifest.js";
import { leave, pointAt, whyNone } from "./pointing.js";
import { LONG, shade, tokenOf, writeText } from "./running.js";
import { shadeOf } from "./scales.js";
import { describe, sidesOf } from "./sides.js";
import { choosePosition, isHovering } from "./state.js";
import { headNow } from "./weights.js";

/** @typedef {Readonly<import("./types").State>} State */
/** @typedef {"first" | "second"} Which */

const BOTH = /** @type {const} */ (["first", "second"]);
const AXES = /** @type {const} */ (["query", "key"]);

/** Restyling hundreds of tokens takes longer than a frame, so it waits until the pointer rests. */
const REST_MS = 150;

let waiting = 0;

/** The stack whose texts stand there. */
let written = -1;

/** @type {Record<Which, { query: HTMLElement[], key: HTMLElement[] }>} */
const tokens = { first: { query: [], key: [] }, second: { query: [], key: [] } };

/**
 * Colors both texts on one scale: the darkest token of both gets most.
 * @param {State} state
 */
export function colorTexts(state) {
  const sides = sidesOf(state);
  if (!sides) return;
  if (written !== state.stack) write(state);
  clearTimeout(waiting);
  if (tokens.first.key.length > LONG && isHovering()) {
    waiting = setTimeout(() => color(state, sides), REST_MS);
  } else {
    color(state, sides);
  }
}

/**
 * @param {State} state
 * @param {import("./sides.js").Sides} sides
 */
function color(state, sides) {
  const hiding = hidingOf(state);
  const { q } = state;
  const rows = BOTH.map((which) => {
    const { stack, layer, head: index } = sides[which];
    const head = headNow(stack, layer, index);
    return { which, head, place: { ...state, ...sides[which] } };
  });
  const weightOf = (/** @type {typeof rows[0]} */ { head }, /** @type {number} */ k) =>
    head ? head.shown(q, k, hiding) : 0;
  const strongest = Math.max(
    1e-9,
    ...rows.flatMap((row) => tokens[row.which].key.map((_, k) => weightOf(row, k))),
  );
  for (const row of rows) {
    tokens[row.which].key.forEach((token, k) => {
      const w = weightOf(row, k);
      const none = w === 0 && row.head !== null && whyNone({ q, k }, row.place, row.head) !== "";
      shade(token, Math.round(100 * shadeOf(state.scale, w / strongest)), none);
    });
    mark(row.which, state);
  }
}

/**
 * Marks the chosen positions, which Tab comes to.
 * @param {Which} which
 * @param {State} state
 */
function mark(which, { stack, q, k }) {
  const self = isSelf(stackAt(stack));
  for (const axis of AXES) {
    const own = tokens[which][axis];
    const chosen = self || axis === "query" ? q : k;
    const stop = own[chosen] ?? own.find(Boolean);
    own.forEach((token, position) => {
      token.classList.toggle("on", position === chosen);
      token.tabIndex = token === stop ? 0 : -1;
    });
  }
}

/** @param {State} state */
function write(state) {
  const stack = stackAt(state.stack);
  written = state.stack;
  const sides = /** @type {import("./sides.js").Sides} */ (sidesOf(state));
  for (const which of BOTH) {
    const own = stackAt(sides[which].stack);
    const other = stackAt(sides[which === "first" ? "second" : "first"].stack);
    for (const axis of AXES) {
      const place = find(`#text-${which} [data-axis=${axis}]`);
      const positions = axis === "key" ? keyAxis(stack) : stack.query;
      // Cells and channels are no text.
      const text = !/^(grid|channels)$/.test(positions.kind);
      place.hidden = !text || (axis === "query" && isSelf(stack));
      const lacks = new Set(own.absent?.[axis]);
      const alone = new Set(other.absent?.[axis]);
      tokens[which][axis] = place.hidden
        ? []
        : writeText(find(".strip", place), positions, (position) => !lacks.has(position));
      tokens[which][axis].forEach((token, position) => {
        if (!alone.has(position)) return;
        token.classList.add("only");
        token.title = `only in ${sides[which].name}`;
      });
    }
  }
}

export function listenToTexts() {
  for (const place of findAll("[data-axis]")) {
    const axis = place.dataset.axis === "query" ? "query" : "key";
    place.addEventListener("click", (event) => {
      const token = tokenOf(event.target);
      if (token) choosePosition(axis, Number(token.dataset.position));
    });
    place.addEventListener("keydown", (event) => walk(axis, event));
    place.addEventListener("pointermove", (event) => {
      const token = tokenOf(event.target);
      if (token) pointAt(axis, Number(token.dataset.position), event, describe);
      else leave();
    });
    place.addEventListener("pointerleave", leave);
  }
}

/**
 * @param {"query" | "key"} axis
 * @param {KeyboardEvent} event
 */
function walk(axis, event) {
  const token = tokenOf(event.target);
  const step = { ArrowRight: 1, ArrowLeft: -1, Enter: 0, " ": 0 }[event.key];
  if (!token || step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  const row = findAll(".tk", /** @type {HTMLElement} */ (token.closest(".strip")));
  const next = row[(row.indexOf(token) + step + row.length) % row.length];
  next.focus();
  choosePosition(axis, Number(next.dataset.position));
}

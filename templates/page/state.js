/** What is being looked at: one small state that every view, caption and link follows. */

import { baseOf, isSelf, keyAxis, manifest, stackAt, viewOf } from "./manifest.js";
import { wordAt } from "./words.js";

/** @typedef {import("./types").State} State */

/** @type {State} */
const chosen = {
  ...manifest.start,
  beside: null,
  view: "difference",
  scale: "sqrt",
  hidden: false,
  sinks: false,
  words: false,
  direction: "from",
  opacity: 0.75,
  filter: "all",
  find: "",
  sort: "",
  target: -1,
  output: -1,
  pattern: "",
  order: "",
  ascending: false,
  limits: {},
  across: "",
  up: "",
};

/** The pair under the pointer, shown while it stays there. @type {{ q: number, k: number } | null} */
let hovered = null;

/** @type {((kind: "chosen" | "hovered") => void)[]} */
const listeners = [];

/** The state as chosen, which links keep. @returns {Readonly<State>} */
export const chosenState = () => chosen;

/** The state as shown: the chosen one, with the pair under the pointer. @returns {Readonly<State>} */
export const shownState = () => (hovered ? { ...chosen, ...hovered } : chosen);

export const isHovering = () => hovered !== null;

/** @param {(kind: "chosen" | "hovered") => void} listener */
export function onChange(listener) {
  listeners.push(listener);
}

/**
 * Changes what is looked at. A change of stack without a place in it goes to where that stack is
 * worth looking at first. A place is one of the stack that is named with it.
 * @param {Partial<State>} change
 */
export function choose(change) {
  const { stack: asked = chosen.stack, ...others } = change;
  const stack = within(asked, 2 * manifest.stacks.length);
  const elsewhere = baseOf(stack) !== baseOf(chosen.stack);
  const start = elsewhere ? startOf(baseOf(stack)) : {};
  const unplaced = elsewhere ? baseOf(stack) : chosen.stack;
  Object.assign(chosen, start, { stack: change.q === undefined ? unplaced : stack }, others);
  clamp();
  showIn(viewOf(chosen.stack, chosen.words));
  hovered = null;
  for (const listener of listeners) listener("chosen");
}

/** @param {{ q: number, k: number } | null} cell */
export function hover(cell) {
  if (cell === hovered || (cell && cell.q === shownState().q && cell.k === shownState().k)) return;
  hovered = cell;
  for (const listener of listeners) listener("hovered");
}

/**
 * Chooses a position where it stands in a text or on a map. One of the queries asks what it looks
 * at, one of the keys what looks at it; in self-attention a position is both, and the direction
 * stays.
 * @param {"query" | "key"} side
 * @param {number} position
 */
export function choosePosition(side, position) {
  const stack = stackAt(chosen.stack);
  if (isSelf(stack)) return choose({ q: position });
  choose(
    side === "query"
      ? { q: position, direction: "from" }
      : { k: position, direction: stack.query.labels.length > 1 ? "to" : "from" },
  );
}

/** @param {number} stack */
function startOf(stack) {
  const { layer, head, q, k } = stackAt(stack).start;
  return { layer, head, q, k };
}

/** The pieces that were chosen before their words. */
const pieces = { q: 0, k: 0 };

/**
 * Goes from pieces to their words, or from words to the pieces that were chosen before, and to
 * their first ones if those were others.
 * @param {number} stack
 */
function showIn(stack) {
  if (stack === chosen.stack) return;
  const { query, key } = /** @type {import("./types").Spans} */ (
    stackAt(Math.max(stack, chosen.stack)).spans
  );
  for (const [place, spans] of /** @type {const} */ ([
    ["q", query],
    ["k", key],
  ])) {
    if (stack > chosen.stack) {
      pieces[place] = chosen[place];
      chosen[place] = wordAt(spans, chosen[place]);
    } else {
      const span = spans[chosen[place]];
      chosen[place] = span.includes(pieces[place]) ? pieces[place] : span[0];
    }
  }
  chosen.stack = stack;
}

function clamp() {
  chosen.stack = within(chosen.stack, 2 * manifest.stacks.length);
  const stack = stackAt(chosen.stack);
  chosen.layer = within(chosen.layer, stack.heads.length);
  chosen.head = within(chosen.head, stack.heads[chosen.layer]);
  chosen.q = within(chosen.q, stack.query.labels.length);
  chosen.k = within(chosen.k, keyAxis(stack).labels.length);
  if (chosen.beside) chosen.beside = besideIn(stack, chosen.beside);
  chosen.hidden &&= keyAxis(stack).special.length > 0;
  if (!stack.conditions.includes("direction")) chosen.direction = "from";
}

/**
 * The head beside the chosen one, if the stack has it and shows heads beside each other.
 * @param {import("./types").Stack} stack
 * @param {import("./types").HeadPlace} place
 */
function besideIn({ heads, conditions }, { layer, head }) {
  const known = conditions.includes("other-heads") && heads[layer] > head;
  return known && (layer !== chosen.layer || head !== chosen.head) ? { layer, head } : null;
}

/**
 * @param {number} value
 * @param {number} count
 */
const within = (value, count) => Math.max(0, Math.min(count - 1, Math.trunc(value) || 0));

/** Pointer and arrow keys over the heatmap. */

import { tip, weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { keyAxis, label, manifest, stackAt } from "./manifest.js";
import { leave, whyNone } from "./pointing.js";
import { choose, chosenState, hover, shownState } from "./state.js";
import { showTip } from "./tooltip.js";
import { placeUnder } from "./views.js";
import { headNow } from "./weights.js";

/** @typedef {{ q: number, k: number }} Cell */

/** @type {Record<string, [number, number]>} */
const ARROWS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

/**
 * @param {import("./views.js").Chart} chart
 * @param {(cell: Cell) => string} [said] what the tooltip says
 */
export function listenToHeatmap(chart, said = describe) {
  let frame = 0;
  /** @type {PointerEvent} */
  let last;
  chart.place.addEventListener("pointermove", (event) => {
    last = event;
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      const cell = cellAt(chart, last);
      if (!cell) return leave();
      // The tooltip measures itself, which is quick until the views have been told to change.
      showTip(said(cell), last.clientX, last.clientY);
      hover(cell);
    });
  });
  chart.place.addEventListener("pointerleave", () => {
    cancelAnimationFrame(frame);
    frame = 0;
    leave();
  });
  chart.place.addEventListener("click", (event) => {
    const cell = cellAt(chart, event);
    if (cell) choose(cell);
  });
  chart.place.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? 10 : 1;
    const { q, k } = chosenState();
    choose({ q: q + step * arrow[0], k: k + step * arrow[1] });
  });
}

/**
 * @param {import("./views.js").Chart} chart
 * @param {MouseEvent} event
 * @returns {Cell | null}
 */
function cellAt(chart, event) {
  const place = placeUnder(chart, event);
  if (!place) return null;
  const [k, q] = place;
  const stack = stackAt(shownState().stack);
  const inside =
    q >= 0 && k >= 0 && q < stack.query.labels.length && k < keyAxis(stack).labels.length;
  return inside ? { q, k } : null;
}

/** @param {Cell} cell */
function describe({ q, k }) {
  const state = shownState();
  const stack = stackAt(state.stack);
  const head = headNow(state.stack, state.layer, state.head);
  if (!head) return "";
  const hiding = hidingOf(state);
  const weight = head.shown(q, k, hiding);
  const exact =
    manifest.encoding === "float32"
      ? String(Number(weight.toPrecision(8)))
      : `± ${weightText(head.errorBound(q, k, hiding))}`;
  /** @type {import("./types").Fact[]} */
  const facts = [
    [`${label(stack.query, q)} → ${label(keyAxis(stack), k)}`, weightText(weight)],
    [`query ${q}, key ${k}`, whyNone({ q, k }, state, head) || exact],
  ];
  const links = stack.reference[state.layer];
  if (links?.some(([query, key]) => query === q && key === k)) facts.push(["reference", "linked"]);
  return tip(facts);
}

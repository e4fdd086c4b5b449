/** A box drawn over the scatter with the mouse: only the heads in it are wanted. */

import { chosenState, choose } from "./state.js";

/** A shorter way is a click. */
const SHORTEST = 6;

/** @param {import("./views.js").Chart} chart */
export function listenToScatter(chart) {
  const { place } = chart;
  /** @type {[number, number] | null} */
  let start = null;
  let drawn = false;
  const box = document.createElement("div");
  box.className = "box";
  place.addEventListener("pointerdown", (event) => {
    // A finger scrolls.
    drawn = false;
    if (event.pointerType !== "touch" && event.button === 0) start = [event.clientX, event.clientY];
  });
  addEventListener("pointermove", (event) => {
    if (!start) return;
    const [across, up] = [event.clientX - start[0], event.clientY - start[1]];
    if (!drawn && Math.hypot(across, up) < SHORTEST) return;
    drawn = true;
    place.append(box);
    const frame = place.getBoundingClientRect();
    Object.assign(box.style, {
      left: `${Math.min(start[0], event.clientX) - frame.left}px`,
      top: `${Math.min(start[1], event.clientY) - frame.top}px`,
      width: `${Math.abs(across)}px`,
      height: `${Math.abs(up)}px`,
    });
  });
  addEventListener("pointerup", (event) => {
    if (start && drawn) limitTo(chart, start, [event.clientX, event.clientY]);
    start = null;
    box.remove();
  });
  addEventListener("pointercancel", () => {
    start = null;
    box.remove();
  });
  // The end of a box is no click on a mark.
  place.addEventListener("click", (event) => drawn && event.stopPropagation(), true);
}

/**
 * @param {import("./views.js").Chart} chart
 * @param {[number, number]} from
 * @param {[number, number]} to
 */
function limitTo({ view, place, told }, from, to) {
  const drawing = place.querySelector("svg");
  if (!drawing) return;
  const frame = drawing.getBoundingClientRect();
  const [left, top] = view.origin();
  const padding = view.padding();
  const values = (/** @type {"x" | "y"} */ scale, /** @type {number[]} */ pixels) =>
    /** @type {[number, number]} */ (
      pixels
        .map((pixel) => Math.max(0, Number(view.scale(scale).invert(pixel).toPrecision(4))))
        .sort(ascending)
    );
  const across = values(
    "x",
    [from[0], to[0]].map((x) => x - frame.left - left - padding.left),
  );
  const up = values(
    "y",
    [from[1], to[1]].map((y) => y - frame.top - top - padding.top),
  );
  choose({
    limits: { ...chosenState().limits, [String(told.across)]: across, [String(told.up)]: up },
  });
}

/**
 * @param {number} a
 * @param {number} b
 */
const ascending = (a, b) => a - b;

/** The confusion of classes: its rows, and choosing one of its cells. */

import { tip } from "./format.js";
import { manifest } from "./manifest.js";
import { ask } from "./outcomes.js";
import { chosenState } from "./state.js";

/** One row per cell; `here` counts the examples of it that are in this report. */
export function confusionRows() {
  const { labels, counts } = manifest.confusion ?? { labels: [], counts: [] };
  return counts.flatMap((row, t) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, o) => {
      const share = count / (total || 1);
      const here = examplesIn(t, o);
      const said =
        t === o ? `${labels[t]} is recognized` : `${labels[t]} is taken for ${labels[o]}`;
      const lines = tip([
        [said, `${count} of ${total}`],
        ["", `${(100 * share).toFixed(1)}%`],
        [here === 1 ? "1 example here" : `${here} examples here`, here ? "click to list" : ""],
      ]);
      return { t, o, count, share, here, tip: lines };
    });
  });
}

/**
 * @param {number} t
 * @param {number} o
 */
const examplesIn = (t, o) =>
  manifest.examples.filter(({ target, output }) => target === t && output === o).length;

/**
 * Chooses a cell; the chosen one a second time gives it up.
 * @param {number} target
 * @param {number} output
 */
export function chooseCell(target, output) {
  const now = chosenState();
  const again = now.target === target && now.output === output;
  ask({ target: again ? -1 : target, output: again ? -1 : output, filter: "all" });
}

/** @type {Record<string, [number, number]>} */
const ARROWS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

/** @param {import("./views.js").Chart} chart */
export function listenToConfusion({ view, place }) {
  view.addEventListener("click", (_event, item) => {
    const { t, o } = item?.datum ?? {};
    if (Number.isInteger(t) && Number.isInteger(o)) chooseCell(Number(t), Number(o));
  });
  place.addEventListener("keydown", (event) => {
    const { target, output } = chosenState();
    if (event.key === "Escape") ask({ target: -1, output: -1 });
    const arrow = ARROWS[event.key];
    if (!arrow || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const last = (manifest.confusion?.labels.length ?? 1) - 1;
    const moved = [target, output].map((at, axis) =>
      Math.max(0, Math.min(last, target < 0 ? 0 : at + arrow[axis])),
    );
    ask({ target: moved[0], output: moved[1], filter: "all" });
  });
}

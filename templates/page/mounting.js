/** When charts are drawn: those that are looked at first, then what fits, the rest when it is near. */

import { keyAxis, manifest } from "./manifest.js";
import { signalsOf } from "./signals.js";
import { shownState } from "./state.js";
import { chartNamed, mount } from "./views.js";

/** @typedef {import("./signals.js").Signals} Signals */
/** @typedef {import("./views.js").Chart} Chart */
/** @typedef {{ late?: boolean, listen?: (chart: Chart) => void }} When */
/** @typedef {import("./views.js").Options & When} Placing */
/** @typedef {Record<string, Placing>} Charts the charts of a page, by their places */

/** Up to so many weights, charts below the fold are drawn at once too. */
const SMALL = 4e6;

/**
 * Draws a chart before all others.
 * @param {Charts} charts
 * @param {string} name
 * @param {Signals} signals
 * @param {Record<string, number>} marks
 */
export async function mountFirst(charts, name, signals, marks) {
  await mountIfFits(name, charts[name], signals);
  marks[name] = performance.now();
}

/**
 * Draws every chart that fits the chosen stack and is not there yet.
 * @param {Charts} charts
 * @param {Signals} signals
 * @param {Record<string, number>} [marks]
 */
export async function mountFitting(charts, signals, marks = {}) {
  const large = manifest.stacks.reduce((sum, stack) => sum + cells(stack), 0) > SMALL;
  for (const [name, placing] of Object.entries(charts)) {
    if (placing.late && large) mountWhenNear(name, placing);
    else await mountIfFits(name, placing, signals);
    marks[name] ??= performance.now();
  }
}

/** @param {import("./types").Stack} stack */
const cells = (stack) =>
  stack.statistics.length * stack.query.labels.length * keyAxis(stack).labels.length;

/** @param {string} name */
const placeOf = (name) => document.getElementById(`chart-${name}`);

/**
 * @param {string} name
 * @param {Placing} placing
 * @param {Signals} signals
 */
async function mountIfFits(name, placing, signals) {
  const place = placeOf(name);
  if (!place || place.clientWidth === 0 || chartNamed(name)) return;
  const chart = await mount(name, signals, placing);
  place.style.minHeight = "0";
  placing.listen?.(chart);
}

/** @type {Set<string>} */
const waiting = new Set();

/**
 * @param {string} name
 * @param {Placing} placing
 */
function mountWhenNear(name, placing) {
  const place = placeOf(name);
  if (!place || waiting.has(name) || chartNamed(name)) return;
  waiting.add(name);
  const watcher = new IntersectionObserver(
    async ([entry]) => {
      if (!entry.isIntersecting || place.clientWidth === 0) return;
      watcher.disconnect();
      waiting.delete(name);
      await mountIfFits(name, placing, signalsOf(shownState()));
    },
    { rootMargin: "300px" },
  );
  watcher.observe(place);
}

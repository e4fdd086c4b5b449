/** Which charts a page has, how large they are, and when they are drawn. */

import { classesOf } from "./channels.js";
import { listenToConfusion } from "./confusion.js";
import { find } from "./dom.js";
import { chooseStep, withSteps } from "./generation.js";
import { isSelf, keyAxis, manifest, mostHeads, stackAt } from "./manifest.js";
import { mapOf } from "./maps.js";
import { listenToMap } from "./mapview.js";
import { meansNow } from "./means.js";
import { listenToHeatmap } from "./pointer.js";
import { listenToScatter } from "./scatterbox.js";
import { signalsOf, withMap } from "./signals.js";
import { choose, chosenState, shownState } from "./state.js";
import { chartNamed, mount } from "./views.js";

/** @typedef {import("./signals.js").Signals} Signals */

/** Room beside a plot for its axis labels, in pixels. */
const TOKEN_LABELS = 100;
const COUNT_LABELS = 44;

const STEP_LABELS = 60;

/** The labels of the keys, as charts/heatmap.py draws them. */
const LONGEST_LABEL = 90;
const LABEL_SLANT = Math.PI / 3;
const CHARACTER = 6.5;
/** The longest name of a class, as charts/confusion.py draws it. */
const CLASS_LABELS = 130;

/** Up to so many weights, charts below the fold are drawn at once too. */
const SMALL = 4e6;

const stackNow = () => stackAt(shownState().stack);

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/**
 * The width and height of the heatmap's plot: square cells, unless one side is very long.
 * @param {number} width
 */
function heatmapSize(width) {
  const queries = stackNow().query.labels.length;
  const keys = keyAxis(stackNow()).labels;
  const room = width - TOKEN_LABELS;
  const plot = clamp(room - overhang(keys, room), 180, widestPlot(keys));
  const height = (plot * queries) / keys.length;
  return { width: plot, height: clamp(height, Math.min(queries * 16, 320, plot), 900) };
}

/**
 * As wide as the heatmap above it, or as a single row with its words below needs.
 * @param {number} width
 */
function rowSize(width) {
  const stack = stackNow();
  if (!stack.conditions.includes("no-matrix")) return { width: heatmapSize(width).width };
  const keys = keyAxis(stack).labels.length;
  return { width: clamp(keys * 24, 180, Math.max(180, width - TOKEN_LABELS)) };
}

/** @param {string[]} keys */
const widestPlot = (keys) => Math.min(600, Math.max(360, keys.length * 60));

/** Gives the heatmap no more room than it fills, so that the lines stand beside it. */
export function placeHeatmap() {
  const keys = keyAxis(stackNow()).labels;
  const plot = widestPlot(keys);
  const widest = TOKEN_LABELS + plot + Math.ceil(overhang(keys, plot));
  find("#one .one > :first-child").style.maxWidth = `${widest}px`;
}

/**
 * About how far the slanted labels of the last keys reach beyond a plot of the given width.
 * @param {string[]} labels
 * @param {number} width
 */
function overhang(labels, width) {
  const cell = width / labels.length;
  const reach = labels.map((text, key) => {
    const across = Math.min(LONGEST_LABEL, text.length * CHARACTER) * Math.cos(LABEL_SLANT);
    return across - (labels.length - key - 0.5) * cell;
  });
  return Math.max(0, ...reach.slice(-12));
}

/**
 * @param {number} width
 * @param {number} most width of the whole grid
 * @param {number} largest side of a cell
 */
function gridSize(width, most, largest) {
  const stack = stackNow();
  const plot = clamp(width - COUNT_LABELS, 180, most);
  const layers = stack.heads.length;
  const cell = Math.min(plot / mostHeads(stack), largest, 900 / layers);
  return { width: cell * mostHeads(stack), height: Math.max(cell * layers, layers * 8) };
}

/** @param {number} width */
function linesSize(width) {
  const heatmap = chartNamed("heatmap");
  const below = width > innerWidth * 0.6;
  const rows = Math.max(stackNow().query.labels.length, keyAxis(stackNow()).labels.length);
  // Beside a heatmap of the same rows, rows stand beside rows; other ones need room of their own.
  const needs = rows <= 72 ? rows * (isSelf(stackNow()) ? 8 : 13) : 0;
  const beside = Math.max(heatmap ? heatmap.view.height() : 520, needs);
  return {
    width: clamp(width - 200, 80, 240),
    height: below && rows <= 72 ? Math.max(rows * 17, 160) : Math.max(beside, 160),
  };
}

/** @param {number} width */
function entropySize(width) {
  const queries = stackNow().query.labels.length;
  return {
    width: clamp(width - TOKEN_LABELS - 16, 120, 760),
    height: clamp(queries * 18, 60, 420),
  };
}

/** @param {number} width */
function flowSize(width) {
  const queries = stackNow().query.labels.length;
  return {
    width: clamp(width - 2 * TOKEN_LABELS, 80, 900),
    height: clamp(queries * 17, 120, 1000),
  };
}

/**
 * Square pixels, or square cells where there is no picture.
 * @param {"query" | "key"} side
 * @param {number} most longest side
 * @returns {import("./views.js").Sizing}
 */
const mapSize = (side, most) => (width) => {
  const stack = stackNow();
  const axis = side === "key" ? keyAxis(stack) : stack.query;
  const number = stack.pictures[side === "query" || isSelf(stack) ? 0 : 1];
  const picture = number === null ? null : manifest.pictures[number];
  const [wide, high] = [picture?.width ?? axis.width ?? 1, picture?.height ?? axis.height ?? 1];
  const scale = Math.min(clamp(width - 8, 60, most) / wide, most / high);
  return { width: wide * scale, height: high * scale };
};

/** @type {import("./views.js").Sizing} */
const stepsSize = (width) => {
  const { example } = stackNow();
  const steps = manifest.examples[example].generation?.read.length ?? 1;
  return { width: Math.min(clamp(steps * 54, 120, 560), Math.max(100, width - STEP_LABELS)) };
};

/** @param {number} width */
function confusionSize(width) {
  const labels = manifest.confusion?.labels ?? [];
  const longest = Math.max(...labels.map(({ length }) => length));
  // Names of many classes are written small.
  const letter = CHARACTER * clamp(width / labels.length / 16, 0.7, 1);
  const room = width - Math.min(CLASS_LABELS, longest * letter) - 34;
  const plot = clamp(room - overhang(labels, room), 140, 420);
  return { width: plot, height: Math.max(plot, Math.min(420, labels.length * 11)) };
}

/** @type {import("./views.js").Sizing} */
const channelsSize = (width) => ({ width: clamp(width - TOKEN_LABELS, 160, 1000) });

/** @type {import("./views.js").Sizing} */
const classChannelsSize = (width) => ({
  width: clamp(width - TOKEN_LABELS, 160, 1000),
  height: clamp(20 * classesOf(shownState().stack).length, 40, 420),
});

/** @typedef {import("./views.js").Options & { late?: boolean }} Placing */

/** @type {Record<string, Placing>} */
const CHARTS = {
  overview: { size: (width) => gridSize(width, 760, 220) },
  heatmap: { size: heatmapSize },
  row: { size: rowSize },
  lines: { size: linesSize },
  scatter: { size: scatterSize, renderer: "svg" },
  pair: { size: (width) => gridSize(width, 560, 90), renderer: "svg", late: true },
  entropy: { size: entropySize, late: true },
  // All of it changes with the query, too much for a pointer on its way.
  flow: { size: flowSize, own: (signals) => ({ ...signals, q: chosenState().q }) },
  "steps-0": { size: stepsSize, spec: "steps", own: withSteps("probability") },
  "steps-1": { size: stepsSize, spec: "steps", own: withSteps("entropy") },
  "map-key": { ...mapPlacing("key", 400), own: withMap(() => mapOf("key", shownState())) },
  "map-query": { ...mapPlacing("query", 400), own: withMap(() => mapOf("query", shownState())) },
  "map-right": { ...mapPlacing("key", 220), own: withMap(() => meansNow()?.right.map ?? null) },
  "map-wrong": { ...mapPlacing("key", 220), own: withMap(() => meansNow()?.wrong.map ?? null) },
  channels: { size: channelsSize },
  "class-channels": { size: classChannelsSize, late: true },
  confusion: { size: confusionSize },
};

if (manifest.deletion) {
  const { score, positions } = manifest.deletion;
  CHARTS.deletion = {
    size: (width) => ({ width: clamp(width - 70, 140, 520) }),
    own: (signals) => ({ ...signals, xTitle: `share of ${positions} taken away`, yTitle: score }),
  };
}

for (const panel of manifest.training?.panels.keys() ?? [])
  CHARTS[`training-${panel}`] = {
    size: (width) => ({ width: clamp(width - 60, 140, 520) }),
    spec: "training",
    own: (signals) => ({ ...signals, panel, chosen: manifest.training?.chosen ?? -1 }),
  };

/**
 * @param {"query" | "key"} side
 * @param {number} most
 * @returns {Placing}
 */
function mapPlacing(side, most) {
  return { size: mapSize(side, most), spec: "map" };
}

/** @param {number} width */
function scatterSize(width) {
  return { width: clamp(width - 56, 160, 460), height: 250 };
}

/**
 * Draws a chart before all others.
 * @param {string} name
 * @param {Signals} signals
 * @param {Record<string, number>} marks
 */
export async function mountFirst(name, signals, marks) {
  await mountIfFits(name, signals);
  marks[name] = performance.now();
}

/**
 * Draws every chart that fits the chosen stack and is not there yet.
 * @param {Signals} signals
 * @param {Record<string, number>} [marks]
 */
export async function mountFitting(signals, marks = {}) {
  const large = manifest.stacks.reduce((sum, stack) => sum + cells(stack), 0) > SMALL;
  for (const [name, { late }] of Object.entries(CHARTS)) {
    if (late && large) mountWhenNear(name);
    else await mountIfFits(name, signals);
    marks[name] ??= performance.now();
  }
  align();
}

/** @param {import("./types").Stack} stack */
const cells = (stack) =>
  stack.statistics.length * stack.query.labels.length * keyAxis(stack).labels.length;

/** @param {string} name */
const placeOf = (name) => document.getElementById(`chart-${name}`);

/**
 * @param {string} name
 * @param {Signals} signals
 */
async function mountIfFits(name, signals) {
  const place = placeOf(name);
  if (!place || place.clientWidth === 0 || chartNamed(name)) return;
  const chart = await mount(name, signals, CHARTS[name]);
  place.style.minHeight = "0";
  listen(chart);
}

/** @type {Set<string>} */
const waiting = new Set();

/** @param {string} name */
function mountWhenNear(name) {
  const place = placeOf(name);
  if (!place || waiting.has(name) || chartNamed(name)) return;
  waiting.add(name);
  const watcher = new IntersectionObserver(
    async ([entry]) => {
      if (!entry.isIntersecting || place.clientWidth === 0) return;
      watcher.disconnect();
      waiting.delete(name);
      await mountIfFits(name, signalsOf(shownState()));
    },
    { rootMargin: "300px" },
  );
  watcher.observe(place);
}

/** @param {import("./views.js").Chart} chart */
function listen(chart) {
  if (chart.listensTo.has("pick")) {
    chart.view.addSignalListener("pick", (_name, picked) => {
      if (picked?.layer) choose({ layer: picked.layer[0], head: picked.head[0] });
    });
  }
  if (chart.name === "heatmap") listenToHeatmap(chart);
  if (chart.name === "scatter") listenToScatter(chart);
  if (chart.name === "map-key") listenToMap(chart, "key");
  if (chart.name === "map-query") listenToMap(chart, "query");
  if (chart.name === "confusion") listenToConfusion(chart);
  if (chart.name.startsWith("steps-")) {
    chart.view.addEventListener("click", (_event, item) => chooseStep(Number(item?.datum?.step)));
  }
  if (chart.name === "flow") {
    chart.view.addEventListener("click", (_event, item) => {
      const q = Number(item?.datum?.position);
      if (Number.isInteger(q)) choose({ q });
    });
  }
  if (chart.name === "channels") {
    chart.view.addEventListener("click", (_event, item) => {
      const k = Number(item?.datum?.k);
      if (Number.isInteger(k)) choose({ k });
    });
  }
  if (chart.name === "lines") {
    chart.view.addEventListener("click", (_event, item) => {
      const datum = item?.datum;
      const position = datum && Number(datum.position);
      if (!Number.isInteger(position)) return;
      choose(Number(datum?.x0) === 1 ? { k: Number(position) } : { q: Number(position) });
    });
  }
}

/** Puts the rows of the lines beside the rows of the heatmap. */
function align() {
  const heatmap = chartNamed("heatmap");
  const lines = chartNamed("lines");
  if (!heatmap || !lines) return;
  const fit = () => {
    const beside =
      lines.place.getBoundingClientRect().left > heatmap.place.getBoundingClientRect().left + 40;
    const gap = heatmap.view.origin()[1] - lines.view.origin()[1];
    lines.place.style.paddingTop = beside ? `${Math.max(0, gap)}px` : "0";
  };
  fit();
  if (!aligned) {
    aligned = true;
    new ResizeObserver(fit).observe(heatmap.place);
  }
}

let aligned = false;

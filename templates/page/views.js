/** The charts: mounted once, told only what changed, and only while they can be seen. */

import { find } from "./dom.js";
import { attnImage } from "./pictures.js";
import { rowsAt } from "./rows.js";
import { showTip } from "./tooltip.js";

/** @typedef {import("./signals.js").Signals} Signals */

/**
 * @typedef {object} Chart
 * @property {string} name
 * @property {vega.View} view
 * @property {HTMLElement} place
 * @property {Set<string>} listensTo
 * @property {Signals} told
 * @property {boolean} onScreen
 */

/** @typedef {(width: number) => { width: number, height?: number }} Sizing */

const specs = JSON.parse(find("#specs").textContent ?? "");

/** @type {Map<string, Chart>} */
const charts = new Map();

vega.expressionFunction("attnImage", attnImage);

const loader = vega.loader();
loader.load = rowsAt;
loader.sanitize = async (address) => {
  throw new Error(`this page fetches nothing: ${address}`);
};

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const chart = [...charts.values()].find(({ place }) => place === entry.target);
      if (!chart) continue;
      chart.onScreen = entry.isIntersecting;
      if (entry.isIntersecting && latest) tell(chart, latest);
    }
  },
  { rootMargin: "160px" },
);

/** @type {Signals | null} */
let latest = null;

/** @param {string} name */
export const chartNamed = (name) => charts.get(name) ?? null;

export const allCharts = () => [...charts.values()];

/**
 * Draws a chart into its place on the page.
 * @param {string} name
 * @param {Signals} signals
 * @param {{ place?: string, size: Sizing, renderer?: "canvas" | "svg" }} options
 * @returns {Promise<Chart>}
 */
export async function mount(name, signals, { place: id = name, size, renderer = "canvas" }) {
  const place = find(`#chart-${id}`);
  const spec = specs[name];
  for (const signal of spec.signals)
    if (signal.name in signals) signal.value = signals[signal.name];
  const { width, height } = size(place.clientWidth);
  Object.assign(spec, { width, ...(height && { height }) });
  const view = new vega.View(vega.parse(spec, undefined, { ast: true }), {
    expr: vega.expressionInterpreter,
    loader,
    renderer,
    logLevel: vega.Warn,
  });
  view.tooltip((_handler, event, _item, value) => showTip(value, event.clientX, event.clientY));
  view.initialize(place);
  /** @type {Set<string>} */
  const listensTo = new Set(spec.signals.map((/** @type {{ name: string }} */ s) => s.name));
  /** @type {Chart} */
  const chart = { name, view, place, listensTo, told: { ...signals }, onScreen: true };
  charts.set(name, chart);
  await view.runAsync();
  followWidth(chart, size);
  watcher.observe(place);
  return chart;
}

/**
 * @param {Chart} chart
 * @param {Sizing} size
 */
function followWidth(chart, size) {
  let drawnAt = chart.place.clientWidth;
  const fit = () => {
    const { width, height } = size(chart.place.clientWidth);
    drawnAt = chart.place.clientWidth;
    chart.view.width(width);
    if (height) chart.view.height(height);
    return chart.view.resize().runAsync();
  };
  new ResizeObserver(() => {
    if (chart.place.clientWidth && Math.abs(chart.place.clientWidth - drawnAt) > 6) void fit();
  }).observe(chart.place);
  resizers.set(chart, fit);
}

/** @type {Map<Chart, () => Promise<unknown>>} */
const resizers = new Map();

/** Fits all charts to sizes that depend on what is shown. */
export const refit = () => Promise.all([...resizers.values()].map((fit) => fit()));

/**
 * Tells every chart on screen what changed; the others hear of it when they come into view.
 * @param {Signals} signals
 */
export async function tellAll(signals) {
  latest = signals;
  await Promise.all(
    [...charts.values()].filter(({ onScreen }) => onScreen).map((chart) => tell(chart, signals)),
  );
}

/** Brings every chart up to date, also those out of sight: before printing. */
export async function tellHidden() {
  const signals = latest;
  if (signals) await Promise.all([...charts.values()].map((chart) => tell(chart, signals)));
}

/**
 * @param {Chart} chart
 * @param {Signals} signals
 */
export async function tell(chart, signals) {
  let changed = false;
  for (const [name, value] of Object.entries(signals)) {
    if (!chart.listensTo.has(name) || chart.told[name] === value) continue;
    chart.told[name] = value;
    chart.view.signal(name, value);
    changed = true;
  }
  if (changed) await chart.view.runAsync();
}

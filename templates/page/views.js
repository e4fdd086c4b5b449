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
 * @property {Sizing} size
 * @property {(signals: Signals) => Signals} own what it is told of the signals of all
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
 * @typedef {object} Options
 * @property {Sizing} size
 * @property {"canvas" | "svg"} [renderer]
 * @property {string} [spec] name of its specification, if that is not its own
 * @property {(signals: Signals) => Signals} [own]
 */

/**
 * Draws a chart into its place on the page.
 * @param {string} name
 * @param {Signals} all
 * @param {Options} options
 * @returns {Promise<Chart>}
 */
export async function mount(name, all, options) {
  const { size, renderer = "canvas", spec: specName = name, own = (signals) => signals } = options;
  const place = find(`#chart-${name}`);
  const spec = structuredClone(specs[specName]);
  const signals = own(all);
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
  initialize(view, place);
  /** @type {Set<string>} */
  const listensTo = new Set(spec.signals.map((/** @type {{ name: string }} */ s) => s.name));
  /** @type {Chart} */
  const chart = { name, view, place, listensTo, told: { ...signals }, onScreen: true, size, own };
  charts.set(name, chart);
  await view.runAsync();
  followWidth(chart);
  watcher.observe(place);
  return chart;
}

/**
 * Gives a view its place. Vega would describe each one as "Vega visualization"; what the template
 * says about it is worth more.
 * @param {vega.View} view
 * @param {HTMLElement} place
 */
function initialize(view, place) {
  const role = place.getAttribute("role");
  const label = place.getAttribute("aria-label");
  view.initialize(place);
  place.removeAttribute("aria-roledescription");
  if (role) place.setAttribute("role", role);
  if (label) place.setAttribute("aria-label", label);
}

/**
 * Column and row of the grid under the pointer, which may lie beyond its ends.
 * @param {Chart} chart
 * @param {MouseEvent} event
 * @returns {[number, number] | null}
 */
export function placeUnder({ view, place }, event) {
  const drawing = place.querySelector("canvas");
  if (!drawing) return null;
  const box = drawing.getBoundingClientRect();
  // Where the style sheet shrinks a chart to its place, it is drawn smaller than Vega knows.
  const grown = parseFloat(drawing.style.width) / box.width;
  const [left, top] = view.origin();
  const padding = view.padding();
  const x = (event.clientX - box.left) * grown - left - padding.left;
  const y = (event.clientY - box.top) * grown - top - padding.top;
  return [Math.floor(view.scale("x").invert(x)), Math.floor(view.scale("y").invert(y))];
}

/** @param {Chart} chart */
function followWidth(chart) {
  let drawnAt = chart.place.clientWidth;
  new ResizeObserver(() => {
    const width = chart.place.clientWidth;
    if (width === 0 || Math.abs(width - drawnAt) <= 6) return;
    drawnAt = width;
    fit(chart);
    void chart.view.runAsync();
  }).observe(chart.place);
}

/**
 * Sizes a chart for its place and for what it shows, at its next run.
 * @param {Chart} chart
 */
function fit({ view, place, size }) {
  if (place.clientWidth === 0) return;
  const { width, height } = size(place.clientWidth);
  view.width(width);
  if (height) view.height(height);
  // Labels of another text need other margins, which Vega measures again only when asked.
  view.resize();
}

/**
 * Tells the charts on screen what changed; the others hear of it from `tellHidden`, or when they
 * come into view.
 * @param {Signals} signals
 */
export async function tellVisible(signals) {
  latest = signals;
  await Promise.all(
    [...charts.values()].filter(({ onScreen }) => onScreen).map((chart) => tell(chart, signals)),
  );
}

/** Brings the charts out of sight up to date too. */
export async function tellHidden() {
  const signals = latest;
  if (signals) await Promise.all([...charts.values()].map((chart) => tell(chart, signals)));
}

/**
 * @param {Chart} chart
 * @param {Signals} all
 */
export async function tell(chart, all) {
  let changed = false;
  const signals = chart.own(all);
  const elsewhere = signals.stack !== chart.told.stack;
  for (const [name, value] of Object.entries(signals)) {
    if (!chart.listensTo.has(name) || chart.told[name] === value) continue;
    chart.told[name] = value;
    chart.view.signal(name, value);
    changed = true;
  }
  chart.told.stack = signals.stack;
  if (elsewhere) fit(chart);
  if (changed) await chart.view.runAsync();
}

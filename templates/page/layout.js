/** Which charts a report has, and what a click on them does. */

import { listenToConfusion } from "./confusion.js";
import { manifest } from "./manifest.js";
import { mapOf } from "./maps.js";
import { listenToMap } from "./mapview.js";
import { meansNow } from "./means.js";
import { listenToPick } from "./picking.js";
import { listenToHeatmap } from "./pointer.js";
import { listenToScatter } from "./scatterbox.js";
import { SIDE_CHARTS } from "./sides.js";
import { withMap } from "./signals.js";
import {
  channelsSize,
  classChannelsSize,
  confusionSize,
  entropySize,
  flowSize,
  gridSize,
  heatmapSize,
  linesSize,
  mapSize,
  rowSize,
  scatterSize,
} from "./sizes.js";
import { choose, chosenState, shownState } from "./state.js";
import { STEP_CHARTS } from "./steps.js";
import { chartNamed } from "./views.js";

/** @typedef {import("./mounting.js").Placing} Placing */
/** @typedef {import("./mounting.js").Chart} Chart */

/** @type {import("./mounting.js").Charts} */
export const CHARTS = {
  overview: { size: (width) => gridSize(width, 760, 220), listen: listenToPick },
  heatmap: { size: heatmapSize, listen: (chart) => listenToHeatmap(chart) },
  row: { size: rowSize },
  lines: { size: linesSize, listen: listenToLines },
  scatter: {
    size: scatterSize,
    renderer: "svg",
    listen: (chart) => {
      listenToPick(chart);
      listenToScatter(chart);
    },
  },
  pair: {
    size: (width) => gridSize(width, 560, 90),
    renderer: "svg",
    late: true,
    listen: listenToPick,
  },
  entropy: { size: entropySize, late: true },
  // All of it changes with the query, too much for a pointer on its way.
  flow: {
    size: flowSize,
    own: (signals) => ({ ...signals, q: chosenState().q }),
    listen: onClick(({ position }) => ({ q: position })),
  },
  "map-key": {
    ...mapPlacing("key", 400),
    own: withMap(() => mapOf("key", shownState())),
    listen: (chart) => listenToMap(chart, "key"),
  },
  "map-query": {
    ...mapPlacing("query", 400),
    own: withMap(() => mapOf("query", shownState())),
    listen: (chart) => listenToMap(chart, "query"),
  },
  "map-right": { ...mapPlacing("key", 220), own: withMap(() => meansNow()?.right.map ?? null) },
  "map-wrong": { ...mapPlacing("key", 220), own: withMap(() => meansNow()?.wrong.map ?? null) },
  channels: { size: channelsSize, listen: onClick(({ k }) => ({ k })) },
  "class-channels": { size: classChannelsSize, late: true },
  confusion: { size: confusionSize, listen: listenToConfusion },
  ...STEP_CHARTS,
  ...SIDE_CHARTS,
};

if (manifest.deletion) {
  const { score, positions } = manifest.deletion;
  CHARTS.deletion = {
    size: (width) => ({ width: Math.max(140, Math.min(520, width - 70)) }),
    own: (signals) => ({ ...signals, xTitle: `share of ${positions} taken away`, yTitle: score }),
  };
}

for (const panel of manifest.training?.panels.keys() ?? [])
  CHARTS[`training-${panel}`] = {
    size: (width) => ({ width: Math.max(140, Math.min(520, width - 60)) }),
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

/**
 * A click on a mark chooses what its row says, if that is a place.
 * @param {(row: any) => { q?: number, k?: number }} placeOf
 * @returns {(chart: Chart) => void}
 */
function onClick(placeOf) {
  return ({ view }) =>
    view.addEventListener("click", (_event, item) => {
      const place = item?.datum ? placeOf(item.datum) : {};
      if (Object.values(place).some((each) => Number.isInteger(each))) choose(place);
    });
}

/** @param {Chart} chart */
function listenToLines(chart) {
  onClick(({ position, x0 }) => (Number(x0) === 1 ? { k: position } : { q: position }))(chart);
}

/** Puts the rows of the lines beside the rows of the heatmap. */
export function align() {
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

/** Take it away: the heatmap as a picture, its weights as a table. */

import { find, note } from "./dom.js";
import { keyAxis, stackAt } from "./manifest.js";
import { skin } from "./signals.js";
import { chosenState } from "./state.js";
import { chartNamed } from "./views.js";
import { loadHead } from "./weights.js";

const PNG_SCALE = 3;
/** Long enough for any browser to have started the download. */
const RELEASE_MS = 10_000;

export function listenToDownloads() {
  find("#save-png").addEventListener("click", () => attempt(onPaper(savePng)));
  find("#save-svg").addEventListener("click", () => attempt(onPaper(saveSvg)));
  find("#save-csv").addEventListener("click", () => attempt(saveCsv()));
}

/** @param {Promise<void>} saving */
function attempt(saving) {
  saving.catch((error) => note(`It could not be saved: ${error.message}.`));
}

/**
 * @param {Blob} blob
 * @param {string} extension
 */
function save(blob, extension) {
  const { stack: index, layer, head } = chosenState();
  const { example, group, layerNumbers } = stackAt(index);
  const place = `L${layerNumbers[layer]}-H${head}`;
  const words = stackAt(index).spans ? "-words" : "";
  const stem = `attention-example${example}-${group.replace(/\W+/g, "-")}-${place}${words}`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${stem}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), RELEASE_MS);
}

/**
 * Draws the heatmap in colors for paper, whatever the page looks like.
 * @param {(view: vega.View) => Promise<void>} draw
 */
async function onPaper(draw) {
  const names = ["heatmap", "map-key", "channels", "row"];
  const chart = names.map(chartNamed).find((each) => each?.place.clientWidth);
  if (!chart) return;
  const { view, told, listensTo } = chart;
  const before = { ...told };
  const paper = skin("light");
  const paint = async (
    /** @type {import("./signals.js").Signals} */ colors,
    /** @type {string} */ background,
  ) => {
    for (const name of Object.keys(paper).filter((each) => listensTo.has(each)))
      view.signal(name, colors[name]);
    await view.background(background).runAsync();
  };
  await paint(paper, String(paper.bg));
  try {
    await draw(view);
  } finally {
    await paint(before, "transparent");
  }
}

/** @param {vega.View} view */
async function savePng(view) {
  const canvas = await view.toCanvas(PNG_SCALE);
  /** @type {Blob | null} */
  const blob = await new Promise((resolve) => canvas.toBlob(resolve));
  if (blob) save(blob, "png");
}

/** @param {vega.View} view */
async function saveSvg(view) {
  save(new Blob([await view.toSVG()], { type: "image/svg+xml" }), "svg");
}

async function saveCsv() {
  const { stack: index, layer, head: headIndex } = chosenState();
  const stack = stackAt(index);
  const head = await loadHead(index, layer, headIndex);
  const keys = keyAxis(stack).labels;
  const lines = [["query\\key", ...keys].map(csvField).join(",")];
  stack.query.labels.forEach((token, query) => {
    const weights = keys.map((_, key) => Number(head.at(query, key).toPrecision(9)));
    lines.push([csvField(token), ...weights].join(","));
  });
  // The mark in front tells spreadsheet programs that the text is UTF-8.
  save(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }), "csv");
}

/** @param {string} text */
export const csvField = (text) => `"${text.replace(/"/g, '""')}"`;

/** The words around the charts. */

import { find, findAll, show } from "./dom.js";
import { weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { showGeneration } from "./generation.js";
import { captionMaps } from "./mapview.js";
import {
  headName,
  keyAxis,
  label,
  manifest,
  patternTitle,
  stackAt,
  statisticsOf,
} from "./manifest.js";
import { checksOf, doubt, listChecks } from "./proof.js";
import { MOST_EDGES } from "./rows.js";
import { captionSinks } from "./sinks.js";
import { colorStrips } from "./strip.js";
import { headNow } from "./weights.js";

/**
 * @param {Readonly<import("./types").State>} state
 * @param {boolean} aloud whether a screen reader should hear of it
 */
export function caption(state, aloud) {
  const stack = stackAt(state.stack);
  const head = headNow(state.stack, state.layer, state.head);
  if (!head) return;
  const query = label(stack.query, state.q);
  const key = label(keyAxis(stack), state.k);
  const weight = weightText(head.shown(state.q, state.k, hidingOf(state)));
  show("query", query);
  show("key", key);
  show("weight", weight);
  show("layer", String(stack.layerNumbers[state.layer]));
  show("head", String(state.head));
  show("module", stack.names[state.layer]);
  captionReference(stack, state);
  captionHead(stack, state);
  captionAxes(stack);
  captionSinks(state, head);
  listChecks(stack, state.layer);
  colorStrips(state, head);
  showGeneration(state);
  captionMaps(state);
  if (aloud) {
    const pattern = patternTitle(statisticsOf(stack, state.layer, state.head));
    const name = [headName(stack, state.layer, state.head), pattern];
    name.push(doubt(checksOf(stack, state.layer)));
    find("#live").textContent =
      `${name.filter(Boolean).join(", ")}. ${query} to ${key}: ${weight}.`;
  }
}

/**
 * @param {import("./types").Stack} stack
 * @param {Readonly<import("./types").State>} state
 */
function captionHead(stack, state) {
  const statistics = statisticsOf(stack, state.layer, state.head);
  const { facts } = statistics;
  show("pattern", patternTitle(statistics));
  const place = find("#statistics");
  place.replaceChildren(
    ...facts.flatMap(([name, value], index) => {
      const bold = document.createElement("b");
      bold.textContent = value;
      const start = stack.spans ? "by token: " : "";
      return [index ? ` · ${name} ` : `${start}${name} `, bold];
    }),
  );
}

/**
 * @param {import("./types").Stack} stack
 * @param {Readonly<import("./types").State>} state
 */
function captionReference(stack, state) {
  const links = stack.reference[state.layer];
  let text = "";
  if (links) {
    const keys = links.filter(([q]) => q === state.q).map(([, k]) => k);
    const names = keys.map((k) => `“${label(keyAxis(stack), k)}”`).join(" and ");
    if (keys.includes(state.k)) text = "The reference alignment links the two.";
    else if (keys.length) text = `The reference alignment links it to ${names}.`;
    else text = "The reference alignment links it to nothing.";
  }
  show("reference", text);
}

/** @type {import("./types").Stack | null} */
let captioned = null;

/**
 * What depends on the stack only.
 * @param {import("./types").Stack} stack
 */
function captionAxes(stack) {
  if (captioned === stack) return;
  captioned = stack;
  show("example", manifest.examples[stack.example].name);
  show("group", stack.group);
  const keys = keyAxis(stack);
  show("broadest", Math.log2(keys.labels.length).toFixed(2));
  show("most-lines", String(MOST_EDGES));
  show("linked", stack.referenceName || "the cells that the reference links");
  for (const place of findAll("[data-when]"))
    place.hidden = !stack.conditions.includes(place.dataset.when ?? "");
}

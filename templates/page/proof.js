/** What was checked of the map that is looked at. */

import { element, find } from "./dom.js";
import { manifest } from "./manifest.js";

/** @type {import("./types").Check[] | null} */
let listed = null;

/**
 * Lists what was checked of a layer, and says beside its name if that leaves a doubt.
 * @param {import("./types").Stack} stack
 * @param {number} layer
 */
export function listChecks(stack, layer) {
  const checks = checksOf(stack, layer);
  if (listed?.every((check, place) => check === checks[place]) && listed.length === checks.length)
    return;
  listed = checks;
  find("#proof").replaceChildren(...checks.map(item));
  const place = find("#doubt");
  place.textContent = doubt(checks);
  place.hidden = place.textContent === "";
}

/**
 * @param {import("./types").Stack} stack
 * @param {number} layer
 */
export const checksOf = (stack, layer) =>
  stack.checks[layer].map((number) => manifest.checks[number]);

/**
 * The worst of them, in words; empty if nothing failed or was guessed.
 * @param {import("./types").Check[]} checks
 */
export function doubt(checks) {
  const outcomes = checks.map(([outcome]) => outcome);
  if (outcomes.includes("failed")) return "a check failed";
  return outcomes.includes("guess") ? "rests on a guess" : "";
}

/** @param {import("./types").Check} check */
function item([outcome, name, value, detail]) {
  const words = [
    ...(name === outcome ? [] : [element("span", { class: "name" }, name)]),
    ...(value ? [element("b", {}, value)] : []),
    ...(detail ? [element("span", {}, detail)] : []),
  ];
  const spaced = words.flatMap((word, place) => (place ? [" ", word] : [word]));
  const tag = element("span", { class: "tag" }, outcome || "–");
  return element("li", { "data-outcome": outcome }, tag, element("div", {}, ...spaced));
}

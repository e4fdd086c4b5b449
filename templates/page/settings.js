/** How things are looked at: what is left out, the color scale, words or pieces. */

import { find, findAll } from "./dom.js";
import { stackAt } from "./manifest.js";
import { choose, chosenState } from "./state.js";

/** @typedef {import("./types").Stack} Stack */

/** Whether a stack has heads with sinks. @param {Stack} stack */
export const hasSinks = ({ statistics }) => statistics.some(({ sinks }) => sinks);

/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ (find(`#${id}`));

export function showSettings() {
  const { stack, hidden, sinks, scale, words, direction, opacity } = chosenState();
  input("hidden").checked = hidden;
  input("sinks").checked = sinks;
  input("words").checked = words;
  input("scale").value = scale;
  find("#sinks-label").hidden = !hasSinks(stackAt(stack));
  for (const each of /** @type {HTMLInputElement[]} */ (findAll("[name=direction]")))
    each.checked = each.value === direction;
  for (const place of findAll("#opacity"))
    /** @type {HTMLInputElement} */ (place).value = String(opacity);
}

export function listenToSettings() {
  for (const name of /** @type {const} */ (["hidden", "sinks", "words"]))
    input(name).addEventListener("change", () => choose({ [name]: input(name).checked }));
  input("scale").addEventListener("change", () =>
    choose({ scale: /** @type {import("./types").Scale} */ (input("scale").value) }),
  );
  for (const place of findAll("#opacity"))
    place.addEventListener("input", () =>
      choose({ opacity: Number(/** @type {HTMLInputElement} */ (place).value) }),
    );
}

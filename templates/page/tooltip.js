/** The one tooltip of the page. */

import { element, find } from "./dom.js";

const place = find("#tip");

/**
 * Shows lines of `label<tab>value` beside the pointer; hides the tooltip when there are none.
 * @param {unknown} text
 * @param {number} x
 * @param {number} y
 */
export function showTip(text, x, y) {
  if (typeof text !== "string" || text === "") return hideTip();
  const parts = text.split("\n").flatMap((line) => {
    const [label, value] = line.split("\t");
    return [element("b", {}, label), element("span", {}, value ?? "")];
  });
  place.replaceChildren(...parts);
  place.hidden = false;
  const box = place.getBoundingClientRect();
  const left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 8));
  const top = y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18;
  place.style.left = `${left}px`;
  place.style.top = `${top}px`;
}

export function hideTip() {
  place.hidden = true;
}

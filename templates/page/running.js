/** Running text: the tokens of an axis as they are read, each with a tint. */

import { element, find, findAll } from "./dom.js";
import { label } from "./manifest.js";

/** How dark each colored token is, in percent; -1 without a weight. @type {WeakMap<HTMLElement, number>} */
const shades = new WeakMap();

/** A longer text does not fade from color to color: restyling hundreds of tokens takes longer than a frame. */
export const LONG = 96;

/**
 * Every style that is written costs, and most tokens of a long text stay as they are.
 * @param {HTMLElement} span
 * @param {number} [percent]
 * @param {boolean} [none] whether it has no weight, which is not a weight of zero
 */
export function shade(span, percent, none = false) {
  const kept = none ? -1 : percent;
  if (shades.get(span) === kept) return;
  span.classList.toggle("none", none);
  if (percent === undefined) {
    shades.delete(span);
    span.style.removeProperty("--w");
  } else {
    shades.set(span, none ? -1 : percent);
    span.style.setProperty("--w", `${percent}%`);
  }
}

/**
 * Writes the text of an axis, or of those of its positions that are wanted.
 * @param {HTMLElement} place
 * @param {import("./types").Axis} axis
 * @param {(position: number) => boolean} [wanted]
 * @returns {HTMLElement[]} the tokens by position
 */
export function writeText(place, axis, wanted = () => true) {
  const special = new Set(axis.special);
  /** @type {HTMLElement[]} */
  const tokens = [];
  const words = axis.words.map((positions) => {
    const inside = positions.filter(wanted).map((position) => {
      const token = element(
        "span",
        {
          class: special.has(position) ? "tk sp" : "tk",
          role: "button",
          tabindex: -1,
          "data-position": position,
        },
        label(axis, position),
      );
      tokens[position] = token;
      return token;
    });
    return element("span", { class: "wd", dir: "auto" }, ...inside);
  });
  place.dir = directionOf(axis);
  const written = words.filter(({ childElementCount }) => childElementCount);
  place.replaceChildren(...written.flatMap((word) => [word, " "]));
  place.classList.toggle("long", tokens.length > LONG);
  place.classList.remove("whole");
  fade(place);
  return tokens;
}

/** Letters of scripts that run from right to left, and all letters. */
const LEFTWARD = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/gu;
const LETTERS = /\p{L}/gu;

/**
 * The direction of most letters. The first one, by which browsers go, may be that of a marker.
 * @param {import("./types").Axis} axis
 */
export function directionOf({ labels, special }) {
  const markers = new Set(special);
  const text = labels.filter((_, position) => !markers.has(position)).join("");
  const leftward = text.match(LEFTWARD)?.length ?? 0;
  return 2 * leftward > (text.match(LETTERS)?.length ?? 0) ? "rtl" : "ltr";
}

/**
 * Lets the text fade at its end if there is more of it than can be seen, and offers all of it.
 * @param {HTMLElement} place
 */
function fade(place) {
  // The fade makes room for itself, which must not count.
  place.classList.remove("cut");
  const whole = place.classList.contains("whole");
  const cut = !whole && place.scrollHeight > place.clientHeight + 4;
  place.classList.toggle("cut", cut);
  const button = find(".more", /** @type {HTMLElement} */ (place.parentElement));
  button.hidden = !cut && !whole;
  button.textContent = whole ? "Show less" : "Show the whole text";
}

/** @param {EventTarget | null} target */
export const tokenOf = (target) =>
  /** @type {HTMLElement | null} */ (target instanceof Element ? target.closest(".tk") : null);

/** Keeps the ends of long texts, and what shows all of them, as there is room. */
export function listenToFades() {
  const watcher = new ResizeObserver((changes) => {
    for (const { target } of changes) fade(/** @type {HTMLElement} */ (target));
  });
  // The fade changes the padding, and must not be told of that.
  for (const place of findAll(".strip")) {
    watcher.observe(place, { box: "border-box" });
    find(".more", /** @type {HTMLElement} */ (place.parentElement)).addEventListener(
      "click",
      () => {
        place.classList.toggle("whole");
        fade(place);
      },
    );
  }
}

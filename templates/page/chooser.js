/** Choosing an example, an attention group, or what a finding is about. */

import { element, find, findAll, show } from "./dom.js";
import { baseOf, manifest, stackAt } from "./manifest.js";
import { loadAtlas } from "./atlas.js";
import { listenToExamples, showExamples } from "./examples.js";
import { placeIn } from "./link.js";
import { ask, isCellChosen, isListed, stackIn } from "./outcomes.js";
import { mode } from "./palette.js";
import { loadPhoto } from "./photos.js";
import { paintThumbnail } from "./pictures.js";
import { choose, chosenState } from "./state.js";

/** A narrow page lists more groups than these in a menu. */
const MOST_SEGMENTS = 3;
/** Up to so many bytes of thumbnails are decoded before they come into view. */
const EAGER = 2e7;

export function listenToChoosers() {
  listenToExamples();
  for (const card of findAll("[data-example]")) {
    card.addEventListener("click", (event) => {
      event.preventDefault();
      choose({ stack: stackIn(Number(card.dataset.example)) });
    });
  }
  for (const link of /** @type {HTMLAnchorElement[]} */ (findAll(".findings a, .ranking a"))) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      choose({ ...placeIn(link.hash), direction: "from" });
      find("#one").scrollIntoView();
    });
  }
  find("#groups").addEventListener("change", (event) => {
    choose({
      stack: Number(/** @type {HTMLInputElement | HTMLSelectElement} */ (event.target).value),
    });
  });
  for (const input of /** @type {HTMLInputElement[]} */ (findAll("[name=filter]"))) {
    input.addEventListener("change", () =>
      ask({ filter: /** @type {any} */ (input.value), target: -1, output: -1 }),
    );
  }
  for (const button of findAll(".every"))
    button.addEventListener("click", () => ask({ filter: "all", target: -1, output: -1 }));
}

let listed = -1;

/** Marks the chosen example and lists its groups. */
export function showChoice() {
  const { stack: index } = chosenState();
  showListed();
  showExamples();
  const { example } = stackAt(index);
  for (const card of findAll("[data-example]")) {
    if (Number(card.dataset.example) === example) card.setAttribute("aria-current", "true");
    else card.removeAttribute("aria-current");
  }
  const stacks = manifest.examples[example].stacks;
  const place = find("#groups .segments");
  const select = /** @type {HTMLSelectElement} */ (find("#groups select"));
  if (listed !== example) {
    listed = example;
    place.replaceChildren(...stacks.map((stack) => groupButton(stack)));
    select.replaceChildren(
      ...stacks.map((stack) => element("option", { value: stack }, stackAt(stack).group)),
    );
    find("#groups").classList.toggle("many", stacks.length > MOST_SEGMENTS);
  }
  select.value = String(baseOf(index));
  for (const input of place.querySelectorAll("input"))
    input.checked = Number(input.value) === baseOf(index);
}

let filtered = "";

/** Says which examples were asked for. */
function showListed() {
  const state = chosenState();
  const { filter, target, output } = state;
  const asked = [filter, target, output].join();
  if (filtered === asked) return;
  filtered = asked;
  for (const input of /** @type {HTMLInputElement[]} */ (findAll("[name=filter]")))
    input.checked = input.value === filter;
  const { labels } = manifest.confusion ?? { labels: [] };
  const cell = isCellChosen(state)
    ? target === output
      ? `“${labels[target]}”, recognized`
      : `“${labels[target]}” taken for “${labels[output]}”`
    : "";
  const all = manifest.examples.length;
  const count = manifest.examples.filter((_, index) => isListed(index, state)).length;
  show("listed", cell && `${cell}: ${count} of ${all} examples in this report.`);
  for (const place of findAll(".chosencell")) place.hidden = cell === "";
}

/** @param {number} stack */
function groupButton(stack) {
  const input = element("input", { type: "radio", name: "group", value: stack });
  return element("label", {}, input, stackAt(stack).group);
}

/**
 * Paints the small picture on each example's card as it comes into view, and then the others: paper
 * shows them all.
 */
export function paintCards() {
  const canvases = /** @type {HTMLCanvasElement[]} */ (findAll("canvas[data-stack]"));
  painter?.disconnect();
  painter = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      painter?.unobserve(entry.target);
      void paintCard(/** @type {HTMLCanvasElement} */ (entry.target));
    }
  });
  for (const canvas of canvases) painter.observe(canvas);
  const size = canvases.reduce((sum, { dataset }) => sum + cardSize(Number(dataset.stack)), 0);
  if (size <= EAGER) void paintInTurn(canvases);
}

/** @type {IntersectionObserver | undefined} */
let painter;
let turn = 0;

/** @param {number} stack */
function cardSize(stack) {
  const { picture } = manifest.examples[stackAt(stack).example];
  const { width, height } = picture === null ? stackAt(stack).atlas : manifest.pictures[picture];
  return width * height;
}

/**
 * One card after the other, whenever nothing else is to be done.
 * @param {HTMLCanvasElement[]} canvases
 */
async function paintInTurn(canvases) {
  const own = ++turn;
  for (const canvas of canvases) {
    await new Promise((resume) => setTimeout(resume));
    if (own !== turn) return;
    // A damaged one stays blank; that it is damaged is told where it is looked at.
    await paintCard(canvas).catch(() => {});
  }
}

/** @param {HTMLCanvasElement} canvas */
async function paintCard(canvas) {
  const stack = Number(canvas.dataset.stack);
  const { picture } = manifest.examples[stackAt(stack).example];
  await (picture === null ? loadAtlas(stack) : loadPhoto(picture));
  paintThumbnail(
    canvas,
    picture === null ? `attn:atlas/${stack}/${mode()}` : `attn:picture/${picture}`,
  );
}

/** Choosing an example, an attention group, or what a finding is about. */

import { element, find, findAll, show } from "./dom.js";
import { manifest, stackAt } from "./manifest.js";
import { loadAtlas } from "./atlas.js";
import { parseLink } from "./link.js";
import { isCellChosen, isListed } from "./outcomes.js";
import { mode } from "./palette.js";
import { loadPhoto } from "./photos.js";
import { paintThumbnail } from "./pictures.js";
import { choose, chosenState } from "./state.js";

export function listenToChoosers() {
  for (const card of findAll("[data-example]")) {
    card.addEventListener("click", (event) => {
      event.preventDefault();
      chooseExample(Number(card.dataset.example));
    });
  }
  for (const link of /** @type {HTMLAnchorElement[]} */ (findAll(".findings a"))) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      choose(parseLink(link.hash) ?? {});
      find("#one").scrollIntoView();
    });
  }
  find("#groups").addEventListener("change", (event) => {
    choose({ stack: Number(/** @type {HTMLInputElement} */ (event.target).value) });
  });
  for (const input of /** @type {HTMLInputElement[]} */ (findAll("[name=filter]"))) {
    input.addEventListener("change", () =>
      choose({ filter: /** @type {any} */ (input.value), target: -1, output: -1 }),
    );
  }
  for (const button of findAll(".every"))
    button.addEventListener("click", () => choose({ filter: "all", target: -1, output: -1 }));
}

/**
 * Goes to the same group of another example.
 * @param {number} example
 */
function chooseExample(example) {
  const now = stackAt(chosenState().stack);
  const stacks = manifest.examples[example].stacks;
  const same = stacks.find((index) => stackAt(index).group === now.group);
  choose({ stack: same ?? stacks[0] });
}

let listed = -1;

/** Marks the chosen example and lists its groups. */
export function showChoice() {
  const { stack: index } = chosenState();
  showListed();
  const { example } = stackAt(index);
  for (const card of findAll("[data-example]")) {
    if (Number(card.dataset.example) === example) card.setAttribute("aria-current", "true");
    else card.removeAttribute("aria-current");
  }
  const stacks = manifest.examples[example].stacks;
  const place = find("#groups .segments");
  if (listed !== example) {
    listed = example;
    place.replaceChildren(...stacks.map((stack) => groupButton(stack)));
  }
  for (const input of place.querySelectorAll("input"))
    input.checked = Number(input.value) === index;
}

let filtered = "";

/** Lists the examples that were asked for, and says which they are. */
function showListed() {
  const state = chosenState();
  const { filter, target, output } = state;
  const asked = [filter, target, output].join();
  if (filtered === asked) return;
  filtered = asked;
  let count = 0;
  for (const card of findAll("[data-example]")) {
    const listed = isListed(Number(card.dataset.example), state);
    /** @type {HTMLElement} */ (card.closest("li")).hidden = !listed;
    if (listed) count++;
  }
  for (const input of /** @type {HTMLInputElement[]} */ (findAll("[name=filter]")))
    input.checked = input.value === filter;
  const { labels } = manifest.confusion ?? { labels: [] };
  const cell = isCellChosen(state)
    ? target === output
      ? `“${labels[target]}”, recognized`
      : `“${labels[target]}” taken for “${labels[output]}”`
    : "";
  const all = manifest.examples.length;
  show("listed", cell && `${cell}: ${count} of ${all} examples in this report.`);
  for (const place of findAll(".chosencell")) place.hidden = cell === "";
}

/** @param {number} stack */
function groupButton(stack) {
  const input = element("input", { type: "radio", name: "group", value: stack });
  return element("label", {}, input, stackAt(stack).group);
}

/** Paints the small picture on each example's card, as it comes into view. */
export function paintCards() {
  const painter = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      painter.unobserve(entry.target);
      void paintCard(/** @type {HTMLCanvasElement} */ (entry.target));
    }
  });
  for (const canvas of findAll("canvas[data-stack]")) painter.observe(canvas);
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

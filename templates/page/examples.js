/** The list of examples: searched by their words, and in the order of any number. */

import { element, find, findAll, show } from "./dom.js";
import { stackAt, statisticsOf } from "./manifest.js";
import { isListed, stackIn } from "./outcomes.js";
import { choose, chosenState } from "./state.js";

/** @typedef {Readonly<import("./types").State>} State */

/** What begins the name of an order that runs from the least to the greatest. */
const UPWARD = "-";

/** @type {HTMLElement[]} */
const cards = findAll("[data-example]");
const texts = cards.map((card) => plain(card.textContent ?? ""));
/** The scores of each example, by name. */
const scores = cards.map((card) => new Map(findAll(".scores span", card).map(scoreIn)));

/** @param {HTMLElement} place @returns {[string, string]} */
function scoreIn(place) {
  const value = place.querySelector("b")?.textContent ?? "";
  return [(place.firstChild?.textContent ?? "").trim(), value];
}

/**
 * Without case and accents, so that a search need not know them.
 * @param {string} text
 */
function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * Whether an example has all words that are searched for.
 * @param {number} index
 * @param {State} state
 */
function isFound(index, { find: wanted }) {
  const words = plain(wanted).split(/\s+/);
  return words.every((word) => texts[index].includes(word));
}

let arranged = "";

/** Lists the examples that were asked for, in the order that was. */
export function showExamples() {
  const box = document.getElementById("seek");
  const state = chosenState();
  const { find: wanted, sort, filter, target, output, layer, head } = state;
  const { group } = stackAt(state.stack);
  const asked = JSON.stringify([
    wanted,
    sort,
    filter,
    target,
    output,
    sort && [group, layer, head],
  ]);
  if (arranged === asked) return;
  arranged = asked;
  let count = 0;
  for (const [index, card] of cards.entries()) {
    const listed = isListed(index, state) && isFound(index, state);
    /** @type {HTMLElement} */ (card.closest("li")).hidden = !listed;
    if (listed) count++;
  }
  if (!(box instanceof HTMLInputElement)) return;
  if (box.value.trim() !== wanted) box.value = wanted;
  show("found", wanted && `${count} of ${cards.length} have all the words.`);
  arrange(sort);
}

/**
 * The numbers of an example that can be sorted by, in words: its scores, and those of the head that
 * is looked at.
 * @param {number} index
 * @returns {Map<string, string>}
 */
function numbersOf(index) {
  const stack = stackAt(stackIn(index));
  const { layer, head } = chosenState();
  const facts = stack.heads[layer] > head ? statisticsOf(stack, layer, head).facts : [];
  const measured = facts.filter(([, value]) => Number.isFinite(parseFloat(value)));
  return new Map([...scores[index], ...measured]);
}

/**
 * Puts what is no number last, in whatever order.
 * @param {number} a
 * @param {number} b
 */
const last = (a, b) => Number(Number.isNaN(a)) - Number(Number.isNaN(b));

/** @param {string} sort */
function arrange(sort) {
  const name = sort.replace(UPWARD, "");
  const sign = sort.startsWith(UPWARD) ? 1 : -1;
  const numbers = cards.map((_, index) => numbersOf(index));
  listOrders(numbers, name);
  const values = numbers.map((each) => parseFloat(each.get(name) ?? ""));
  const order = [...cards.keys()];
  if (name)
    order.sort((a, b) => last(values[a], values[b]) || sign * (values[a] - values[b]) || a - b);
  const items = cards.map((card) => /** @type {Element} */ (card.closest("li")));
  find(".cards").append(...order.map((index) => items[index]));
  for (const [index, card] of cards.entries()) {
    card.querySelector(".sorted")?.remove();
    const value = numbers[index].get(name);
    if (value === undefined || scores[index].has(name)) continue;
    find(".scores", card).append(
      element("span", { class: "sorted" }, `${name} `, element("b", {}, value)),
    );
  }
}

/**
 * Offers the numbers that some example has.
 * @param {Map<string, string>[]} numbers
 * @param {string} chosen
 */
function listOrders(numbers, chosen) {
  const names = [...new Set(numbers.flatMap((each) => [...each.keys()]))];
  const ofExample = new Set(scores.flatMap((each) => [...each.keys()]));
  const option = (/** @type {string} */ name) => element("option", { value: name }, name);
  const groups = [
    element(
      "optgroup",
      { label: "the example’s" },
      ...names.filter((n) => ofExample.has(n)).map(option),
    ),
    element(
      "optgroup",
      { label: "this head’s" },
      ...names.filter((n) => !ofExample.has(n)).map(option),
    ),
  ].filter(({ childElementCount }) => childElementCount);
  const select = /** @type {HTMLSelectElement} */ (find("#sort-examples"));
  select.replaceChildren(element("option", { value: "" }, "as recorded"), ...groups);
  select.value = names.includes(chosen) ? chosen : "";
  const turn = find("#turn-examples");
  turn.hidden = select.value === "";
  turn.textContent = chosenState().sort.startsWith(UPWARD) ? "least first" : "greatest first";
}

export function listenToExamples() {
  if (!document.getElementById("seek")) return;
  const box = /** @type {HTMLInputElement} */ (find("#seek"));
  box.addEventListener("input", () => choose({ find: box.value.trim() }));
  const select = /** @type {HTMLSelectElement} */ (find("#sort-examples"));
  select.addEventListener("change", () => choose({ sort: select.value }));
  find("#turn-examples").addEventListener("click", () => {
    const { sort } = chosenState();
    choose({ sort: sort.startsWith(UPWARD) ? sort.slice(UPWARD.length) : UPWARD + sort });
  });
}

/** Another head of the same stack beside the chosen one. */

import { element, find } from "./dom.js";
import { measuresNow } from "./heads.js";
import { baseOf, flatIndex, headsOf, stackAt } from "./manifest.js";
import { captionSides, listenToSides, loadSides, sidesOf } from "./sides.js";
import { choose, chosenState, isHovering } from "./state.js";

/** @typedef {Readonly<import("./types").State>} State */

const box = document.getElementById("beside");

/** @param {State} state */
export async function loadBeside(state) {
  if (box) await loadSides(state);
}

/**
 * Shows the head beside the chosen one, if there is one.
 * @param {State} state
 * @returns {boolean} whether there is room now for charts that had none
 */
export function showBeside(state) {
  if (!box) return false;
  const shown = sidesOf(state) !== null;
  const appears = shown && box.hidden === true;
  const switched = shown && state.view !== box.dataset.view;
  box.hidden = !shown;
  box.dataset.view = state.view;
  captionSides(state);
  if (!isHovering()) listOthers(state);
  return appears || switched;
}

let listed = "";

/**
 * Offers the other heads, those most like the chosen one first.
 * @param {State} state
 */
function listOthers({ stack: index, layer, head, beside }) {
  const stack = stackAt(index);
  if (!stack.conditions.includes("other-heads")) return;
  const select = /** @type {HTMLSelectElement} */ (find("#compare-with"));
  const own = flatIndex(stack, layer, head);
  const asked = [baseOf(index), own, measuresNow(index).similar.length].join();
  if (asked !== listed) {
    listed = asked;
    const places = headsOf(stack);
    const option = (/** @type {number} */ flat) => {
      const { layer: at, head: number } = places[flat];
      return element(
        "option",
        { value: `${at} ${number}` },
        `L${stack.layerNumbers[at]} H${number}`,
      );
    };
    const near = (measuresNow(index).similar[own] ?? []).map(([flat]) => option(flat));
    const all = places.flatMap((_, flat) => (flat === own ? [] : [option(flat)]));
    select.replaceChildren(
      element("option", { value: "" }, "no other head"),
      ...(near.length ? [element("optgroup", { label: "most alike" }, ...near)] : []),
      element("optgroup", { label: "all heads" }, ...all),
    );
  }
  select.value = beside ? `${beside.layer} ${beside.head}` : "";
}

export function listenToBeside() {
  if (!box) return;
  listenToSides();
  const select = /** @type {HTMLSelectElement} */ (find("#compare-with"));
  select.addEventListener("change", () => {
    const [layer, head] = select.value.split(" ").map(Number);
    choose({ beside: select.value ? { layer, head } : null });
    if (select.value) box.scrollIntoView();
  });
  find("#beside-close").addEventListener("click", () => {
    choose({ beside: null });
    select.focus();
  });
  find("#beside-swap").addEventListener("click", () => {
    const { layer, head, beside } = chosenState();
    if (beside) choose({ ...beside, beside: { layer, head } });
  });
}

/** Keyboard over the whole page. */

import { find } from "./dom.js";
import { keyAxis, stackAt } from "./manifest.js";
import { choose, chosenState } from "./state.js";

/**
 * Moves to the neighboring layer or head, around the ends; a layer with fewer heads ends earlier.
 * @param {"layer" | "head"} what
 * @param {number} step
 */
export function stepTo(what, step) {
  const { stack: index, layer, head } = chosenState();
  const stack = stackAt(index);
  if (what === "layer") {
    const next = (layer + step + stack.heads.length) % stack.heads.length;
    choose({ layer: next, head: Math.min(head, stack.heads[next] - 1) });
  } else {
    choose({ head: (head + step + stack.heads[layer]) % stack.heads[layer] });
  }
}

/** @param {number} step */
function stepQuery(step) {
  const { stack, q } = chosenState();
  const count = stackAt(stack).query.labels.length;
  choose({ q: (q + step + count) % count });
}

/** @type {Record<string, () => void>} */
const ACTIONS = {
  ArrowLeft: () => stepTo("head", -1),
  ArrowRight: () => stepTo("head", 1),
  ArrowUp: () => stepTo("layer", -1),
  ArrowDown: () => stepTo("layer", 1),
  j: () => stepQuery(1),
  k: () => stepQuery(-1),
  m: toggleHidden,
  s: () => choose({ sinks: !chosenState().sinks }),
  w: () => choose({ words: !chosenState().words }),
  "?": openHelp,
};

function toggleHidden() {
  const { stack, hidden } = chosenState();
  if (keyAxis(stackAt(stack)).special.length) choose({ hidden: !hidden });
}

export function openHelp() {
  /** @type {HTMLDialogElement} */ (find("#help")).showModal();
}

/** @param {Record<string, () => void>} more keys that this page alone has */
export function listenToKeys(more) {
  document.addEventListener("keydown", (event) => {
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    // A checkbox takes no letters, so that a click on one does not take the keys away.
    if (
      target.closest(
        "input:not([type=checkbox]), select, textarea, dialog, summary, [contenteditable]",
      )
    )
      return;
    const action = ACTIONS[event.key] ?? more[event.key];
    // Arrows scroll the page, unless a view of heads has the focus or nothing to walk has it.
    const arrow = event.key.startsWith("Arrow");
    const walks = target.closest("#chart-overview, #chart-changes, #bar, #chart-pair");
    if (!action || (arrow && !walks)) return;
    event.preventDefault();
    action();
  });
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const [what, step] = (button.getAttribute("data-step") ?? "").split(" ");
      stepTo(/** @type {"layer" | "head"} */ (what), Number(step));
    });
  }
  find("#help-button").addEventListener("click", openHelp);
}

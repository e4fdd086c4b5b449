/**
 * Deep links: the part of the address after `#` restores what is looked at, and is kept current.
 * It calls a layer by its number in the model.
 */

import { layerNumbered, manifest, stackAt } from "./manifest.js";
import { choose, chosenState, isHovering, onChange } from "./state.js";

const PATTERN = /^#(?:e(\d+))?(?:g(\d+))?L(\d+)H(\d+)(?:q(\d+)k(\d+))?(m)?(lin)?$/;
const SETTLE_MS = 120;

/**
 * The state that a link means; null if it is not one of ours.
 * @param {string} hash
 * @returns {Partial<import("./types").State> | null}
 */
export function parseLink(hash) {
  const only = /^#e(\d+)(?:g(\d+))?$/.exec(hash);
  if (only) return { stack: stackOf(Number(only[1]), Number(only[2] ?? 0)) };
  const match = PATTERN.exec(hash);
  if (!match) return null;
  const [, example, group, number, head, q, k, hidden, linear] = match;
  const stack = stackOf(Number(example ?? 0), Number(group ?? 0));
  const link = {
    stack,
    layer: layerNumbered(stackAt(stack), Number(number)),
    head: Number(head),
    hidden: hidden !== undefined,
    exponent: linear ? 1 : 0.5,
  };
  return q === undefined ? link : { ...link, q: Number(q), k: Number(k) };
}

/** @param {Readonly<import("./types").State>} state */
export function linkTo(state) {
  const view = (state.hidden ? "m" : "") + (state.exponent === 1 ? "lin" : "");
  return `${linkToHead(state.stack, state.layer, state.head)}q${state.q}k${state.k}${view}`;
}

/**
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 */
export function linkToHead(stackIndex, layer, head) {
  const stack = stackAt(stackIndex);
  const group = manifest.examples[stack.example].stacks.indexOf(stackIndex);
  const example = stack.example ? `e${stack.example}` : "";
  return `#${example}${group ? `g${group}` : ""}L${stack.layerNumbers[layer]}H${head}`;
}

export function followLinks() {
  let timer = 0;
  const follow = () => {
    const link = parseLink(location.hash);
    if (link) choose(link);
  };
  onChange(() => {
    if (isHovering()) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      try {
        history.replaceState(null, "", linkTo(chosenState()));
      } catch {
        // Some viewers show the page where addresses may not change; links then stay as they are.
      }
    }, SETTLE_MS);
  });
  addEventListener("hashchange", follow);
  follow();
}

/**
 * @param {number} example
 * @param {number} group
 */
function stackOf(example, group) {
  const stacks = (manifest.examples[example] ?? manifest.examples[0]).stacks;
  return stacks[group] ?? stacks[0];
}

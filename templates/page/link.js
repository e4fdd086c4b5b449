/** Deep links: the part of the address after `#` restores what is looked at, and is kept current. */

import { manifest, stackAt } from "./manifest.js";
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
  const [, example, group, layer, head, q, k, hidden, linear] = match;
  const link = {
    stack: stackOf(Number(example ?? 0), Number(group ?? 0)),
    layer: Number(layer),
    head: Number(head),
    hidden: hidden !== undefined,
    exponent: linear ? 1 : 0.5,
  };
  return q === undefined ? link : { ...link, q: Number(q), k: Number(k) };
}

/** @param {Readonly<import("./types").State>} state */
export function linkTo(state) {
  const stack = stackAt(state.stack);
  const group = manifest.examples[stack.example].stacks.indexOf(state.stack);
  const example = stack.example ? `e${stack.example}` : "";
  const view = (state.hidden ? "m" : "") + (state.exponent === 1 ? "lin" : "");
  const place = example + (group ? `g${group}` : "");
  return `#${place}L${state.layer}H${state.head}q${state.q}k${state.k}${view}`;
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

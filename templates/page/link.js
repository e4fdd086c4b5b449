/**
 * Deep links: the part of the address after `#` restores what is looked at, and is kept current.
 * It calls a layer by its number in the model.
 */

import { askOf, askedIn } from "./asked.js";
import { baseOf, layerNumbered, manifest, stackAt } from "./manifest.js";
import { choose, chosenState, isHovering, onChange } from "./state.js";

const PATTERN =
  /^#(?:e(\d+))?(?:g(\d+))?L(\d+)H(\d+)(?:q(\d+)k(\d+))?(m)?(s)?(lin|log|row)?(w)?(to)?(right|wrong)?(?:t(\d+)o(\d+))?(?:p(\d+))?$/;
const OPACITY = 0.75;
const SETTLE_MS = 120;

/** @typedef {Partial<import("./types").State>} Change */

/**
 * The state that a link means; null if it is not one of ours.
 * @param {string} hash
 * @returns {Change | null}
 */
export function parseLink(hash) {
  const [address, asked = ""] = hash.split("?");
  const place = placeIn(address);
  const match = PATTERN.exec(address);
  if (!place || !match) return place;
  const [hidden, sinks, scale = "sqrt", words, to, filter = "all", target, output, percent] =
    match.slice(7);
  const classes = manifest.confusion?.labels.length ?? 0;
  const known = Number(target) < classes && Number(output) < classes;
  return {
    ...place,
    hidden: hidden !== undefined,
    sinks: sinks !== undefined,
    scale: /** @type {any} */ (scale === "lin" ? "linear" : scale),
    words: words !== undefined,
    direction: to ? "to" : "from",
    filter: /** @type {any} */ (filter),
    target: known ? Number(target) : -1,
    output: known ? Number(output) : -1,
    opacity: percent ? Math.min(1, Number(percent) / 100) : OPACITY,
    beside: besideIn(asked, stackAt(place.stack ?? 0)),
    ...askedIn(asked),
  };
}

/**
 * Where a link leads, without how it is looked at; null if it is not one of ours.
 * @param {string} hash
 * @returns {Change | null}
 */
export function placeIn(hash) {
  const only = /^#e(\d+)(?:g(\d+))?$/.exec(hash);
  if (only) return { stack: stackOf(Number(only[1]), Number(only[2] ?? 0)) };
  const match = PATTERN.exec(hash);
  if (!match) return null;
  const [, example, group, number, head, q, k] = match;
  const stack = stackOf(Number(example ?? 0), Number(group ?? 0));
  const layer = layerNumbered(stackAt(stack), Number(number));
  const place = { stack, layer, head: Number(head) };
  return q === undefined ? place : { ...place, q: Number(q), k: Number(k) };
}

/**
 * The link to a state. Its positions are those of pieces, so it leads to the same place in words.
 * @param {Readonly<import("./types").State>} state
 */
export function linkTo(state) {
  const { hidden, sinks, scale, words, direction, filter, target, output, opacity } = state;
  const view = [
    hidden ? "m" : "",
    sinks ? "s" : "",
    scale === "sqrt" ? "" : scale.slice(0, 3),
    words ? "w" : "",
    direction === "to" ? "to" : "",
    filter === "all" ? "" : filter,
    target < 0 ? "" : `t${target}o${output}`,
    opacity === OPACITY ? "" : `p${Math.round(100 * opacity)}`,
  ].join("");
  const { spans } = stackAt(state.stack);
  const [q, k] = spans ? [spans.query[state.q][0], spans.key[state.k][0]] : [state.q, state.k];
  const place = `${linkToHead(state.stack, state.layer, state.head)}q${q}k${k}${view}`;
  const asked = [askOf(state).slice(1), besideOf(state)].filter(Boolean).join("&");
  return place + (asked && `?${asked}`);
}

/** @param {Readonly<import("./types").State>} state */
const besideOf = ({ stack, beside }) =>
  beside && `beside=L${stackAt(stack).layerNumbers[beside.layer]}H${beside.head}`;

/**
 * The head that a link shows beside the chosen one.
 * @param {string} asked the end of the link
 * @param {import("./types").Stack} stack
 */
function besideIn(asked, stack) {
  const match = /^L(\d+)H(\d+)$/.exec(new URLSearchParams(asked).get("beside") ?? "");
  return match && { layer: layerNumbered(stack, Number(match[1])), head: Number(match[2]) };
}

/**
 * @param {number} stackIndex
 * @param {number} layer
 * @param {number} head
 */
export function linkToHead(stackIndex, layer, head) {
  const stack = stackAt(stackIndex);
  const group = manifest.examples[stack.example].stacks.indexOf(baseOf(stackIndex));
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

/** Rows about channels: those of one example, and their means over the examples of each class. */

import { tip, weightText } from "./format.js";
import { alikeTo, keyAxis, label, manifest, stackAt } from "./manifest.js";
import { loadHead } from "./weights.js";

/** @typedef {import("./rows.js").Place} Place */
/** @typedef {{ name: string, count: number, values: Float32Array }} ClassMean */

/** @type {Map<string, Promise<ClassMean[]>>} */
const known = new Map();

/**
 * The classes of the examples that have the channels of a stack, in the order of the confusion or
 * else of the alphabet.
 * @param {number} index
 */
export function classesOf(index) {
  const names = new Set(alikeTo(index).map((each) => exampleOf(each).class));
  names.delete("");
  const order = manifest.confusion?.labels ?? [];
  return [...names].sort((a, b) => order.indexOf(a) - order.indexOf(b) || (a < b ? -1 : 1));
}

/** @param {number} stack */
const exampleOf = (stack) => manifest.examples[stackAt(stack).example];

/**
 * The mean of one row over the examples of each class.
 * @param {Place} place
 * @param {number} q
 */
function meansOf({ stack, layer, head }, q) {
  const stacks = alikeTo(stack);
  const address = [stacks[0], layer, head, q].join();
  let found = known.get(address);
  if (!found) {
    found = Promise.all(
      classesOf(stack).map(async (name) => {
        const own = stacks.filter((each) => exampleOf(each).class === name);
        const heads = await Promise.allSettled(own.map((each) => loadHead(each, layer, head)));
        const read = heads.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
        const values = new Float32Array(read[0]?.keys ?? 0);
        for (const each of read)
          for (let k = 0; k < values.length; k++) values[k] += each.at(q, k) / read.length;
        return { name, count: read.length, values };
      }),
    );
    known.set(address, found);
  }
  return found;
}

/**
 * @param {Place} place
 * @param {number} q
 */
export async function channelRows(place, q) {
  const stack = stackAt(place.stack);
  const weights = await loadHead(place.stack, place.layer, place.head);
  const compares = stack.conditions.includes("class-means");
  const means = compares ? await meansOf(place, q) : [];
  const own = means.find(({ name }) => name === exampleOf(place.stack).class);
  const keys = keyAxis(stack);
  return Array.from({ length: weights.keys }, (_, k) => {
    const w = weights.at(q, k);
    /** @type {import("./types").Fact[]} */
    const facts = [[label(keys, k), weightText(w)]];
    if (own) facts.push([`mean of ${own.name}`, weightText(own.values[k])]);
    return { k, w, mean: own?.values[k] ?? w, compares: own !== undefined, tip: tip(facts) };
  });
}

/**
 * @param {Place} place
 * @param {number} q
 */
export async function classChannelRows(place, q) {
  const keys = keyAxis(stackAt(place.stack));
  const means = await meansOf(place, q);
  return means.flatMap(({ name, count, values }, c) =>
    Array.from(values, (w, k) => {
      const of = `mean of ${count} ${count === 1 ? "example" : "examples"}`;
      return {
        c,
        k,
        w,
        tip: tip([
          [`${name} · ${label(keys, k)}`, weightText(w)],
          [of, ""],
        ]),
      };
    }),
  );
}

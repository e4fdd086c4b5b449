/** Rows of the curves of taking parts of the inputs away. */

import { tip } from "./format.js";
import { manifest } from "./manifest.js";

/** A row per order and share; the bar of an order without draws has no height. */
export function deletionRows() {
  const { shares, curves } = manifest.deletion ?? { shares: [], curves: [] };
  return curves.flatMap(({ name, scores, spread }) =>
    shares.map((share, place) => {
      const score = scores[place];
      const [least, greatest] = spread[place] ?? [score, score];
      /** @type {import("./types").Fact[]} */
      const facts = [
        [name, score.toFixed(3)],
        ["taken away", `${Math.round(100 * share)}%`],
      ];
      if (spread.length) facts.push(["draws", `${least.toFixed(3)} to ${greatest.toFixed(3)}`]);
      return { name, share, score, least, greatest, tip: tip(facts) };
    }),
  );
}

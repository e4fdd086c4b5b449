/** Rows of the curves of training. */

import { tip } from "./format.js";
import { manifest } from "./manifest.js";

/** @param {number} panel */
export function curveRows(panel) {
  const curves = manifest.training?.panels[panel] ?? [];
  return curves.flatMap(({ name, steps, values }) =>
    steps.map((step, place) => {
      const value = values[place];
      const said = value === null ? "not a number" : String(Number(value.toPrecision(4)));
      return {
        name,
        step,
        value,
        tip: tip([
          [name, said],
          ["step", step.toLocaleString("en")],
        ]),
      };
    }),
  );
}

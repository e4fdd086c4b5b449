/** Numbers as a reader should see them, and tooltips. */

/** @param {number} weight */
export function weightText(weight) {
  if (weight === 0) return "0";
  if (weight >= 9.9995) return String(Number(weight.toPrecision(4)));
  if (weight >= 0.0995) return weight.toFixed(3);
  return weight >= 1e-4 ? weight.toPrecision(3) : weight.toExponential(1);
}

/**
 * A tooltip in one string, the only thing Vega hands through. Labels and values have no line
 * breaks or tabs of their own, because Python made every character of a token visible.
 * @param {import("./types").Fact[]} facts
 */
export const tip = (facts) => facts.map((fact) => fact.join("\t")).join("\n");

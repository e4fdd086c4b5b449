/** Numbers and tokens as a reader should see them. */

/** @param {number} weight */
export function weightText(weight) {
  if (weight === 0) return "0";
  if (weight >= 0.0995) return weight.toFixed(3);
  return weight >= 1e-4 ? weight.toPrecision(3) : weight.toExponential(1);
}

/** @type {Record<string, string>} */
const VISIBLE = { "": "∅", "\n": "⏎", "\t": "⇥", " ": "␠", "\u0000": "␀", "\r": "␍" };

/**
 * A token whose every character can be seen.
 * @param {string} token
 */
export function visible(token) {
  if (token in VISIBLE) return VISIBLE[token];
  // eslint-disable-next-line no-control-regex
  return token.replace(/[\u0000-\u001f\u007f\u2028\u2029]/g, (character) =>
    character in VISIBLE ? VISIBLE[character] : "␦",
  );
}

/**
 * The text a token stands for, without the marks by which tokenizers show word boundaries.
 * @param {string} token
 */
export function plain(token) {
  const text = token.replace(/^##(?=.)/s, "").replace(/^[Ġ▁](?=.)/s, "");
  return visible(text.replace(/Ċ/g, "\n"));
}

/**
 * A tooltip in one string, the only thing Vega hands through. Labels and values have no line
 * breaks or tabs of their own, because `visible` replaced them.
 * @param {import("./types").Fact[]} facts
 */
export const tip = (facts) => facts.map((fact) => fact.join("\t")).join("\n");

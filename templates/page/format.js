/** Numbers and tokens as a reader should see them. */

/** @param {number} weight */
export function weightText(weight) {
  if (weight === 0) return "0";
  if (weight >= 0.0995) return weight.toFixed(3);
  return weight >= 1e-4 ? weight.toPrecision(3) : weight.toExponential(1);
}

/** How tokenizers mark the space before a word, or that there is none. */
const MARKS = ["##", "Ġ", "▁", " "];

/** Characters that cannot be seen, beside the other control characters of ASCII. */
const PICTURES = new Map([
  ["\n", "⏎"],
  ["\r", "⏎"],
  ["\t", "⇥"],
  ["\u007f", "␡"],
  ["\u2028", "⏎"],
  ["\u2029", "⏎"],
]);

/** Characters that turn the direction of text, or that Python and browsers disagree about. */
const HIDDEN = /[\u0085\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** @param {string} text */
const reveal = (text) =>
  text.replace(HIDDEN, (character) => `⟨${hexOf(character).padStart(4, "0")}⟩`);

/**
 * A token whose every character can be seen, as `display_text` in Python shows it.
 * @param {string} token
 */
export function visible(token) {
  if (token === "") return "∅";
  token = reveal(token);
  const blank = token.trim() === "";
  const shown = Array.from(token, (character) => visibleCharacter(character, blank)).join("");
  if (!/^[\p{Cf}\p{Mn}\p{Me}]+$/u.test(shown)) return shown;
  return Array.from(shown, (character) => `U+${hexOf(character).padStart(4, "0")}`).join(" ");
}

/**
 * @param {string} character
 * @param {boolean} blank whether the token holds nothing but white space
 */
function visibleCharacter(character, blank) {
  const picture = PICTURES.get(character);
  if (picture) return picture;
  if (character < " ") return String.fromCharCode(0x2400 + character.charCodeAt(0));
  if (/\s/.test(character)) return blank ? "␠" : " ";
  return /[\p{Cc}\p{Cs}]/u.test(character) ? "\ufffd" : character;
}

/** @param {string} character */
const hexOf = (character) => (character.codePointAt(0) ?? 0).toString(16).toUpperCase();

/**
 * The text a token stands for, without the marks by which tokenizers show word boundaries.
 * @param {string} token
 */
export function plain(token) {
  const text = reveal(token).replaceAll("Ċ", "\n").replaceAll("ĉ", "\t");
  const mark = MARKS.find((candidate) => text.startsWith(candidate));
  const nothingElse = ["", "##"].includes(text.trim());
  return visible(mark && !nothingElse ? text.slice(mark.length) || " " : text);
}

/**
 * A tooltip in one string, the only thing Vega hands through. Labels and values have no line
 * breaks or tabs of their own, because `visible` replaced them.
 * @param {import("./types").Fact[]} facts
 */
export const tip = (facts) => facts.map((fact) => fact.join("\t")).join("\n");

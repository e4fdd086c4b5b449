/** How the chosen weight was computed: the formula with its own numbers. */

import { element } from "./dom.js";
import { weightText } from "./format.js";
import { baseOf, keyAxis, label, stackAt } from "./manifest.js";
import { maskNow } from "./masks.js";
import { chosenState, isHovering } from "./state.js";
import { loadVectors } from "./vectors.js";
import { headNow } from "./weights.js";

/** @typedef {Readonly<import("./types").State>} State */
/** @typedef {import("./vectors.js").Vectors} Vectors */
/** @typedef {(Node | string)[]} Said */

/** So many products are written out. */
const MOST_PRODUCTS = 4;
/** So much may a recomputed weight miss the captured one: rounding, more of it in half precision. */
const EXACT = 2e-4;
const HALF = 1e-2;
/** A step of the number formats that models round in, as a share of the number. */
const STEPS = /** @type {Record<string, number>} */ ({ bfloat16: 2 ** -7, float16: 2 ** -10 });
/** A bias as low as this is a mask; in half precision it may have been lower. */
const MASKING = -1e4;
const LOWEST_HALF = -6e4;

/** Logits of one row, and what a softmax makes of them. */
class Row {
  /**
   * @param {Vectors} vectors
   * @param {number} q
   * @param {number} keys
   * @param {(q: number, k: number) => boolean} allowed
   */
  constructor(vectors, q, keys, allowed) {
    this.vectors = vectors;
    this.q = q;
    this.open = Array.from({ length: keys }, (_, k) => k).filter((k) => allowed(q, k));
    const logits = this.open.map((k) => this.logit(k));
    this.largest = Math.max(...logits);
    this.strongest = this.open[logits.indexOf(this.largest)];
    this.total = logits.reduce((sum, logit) => sum + Math.exp(logit - this.largest), 0);
  }

  /** @param {number} k */
  product(k) {
    const [query, key] = [this.vectors.query(this.q), this.vectors.key(k)];
    return query.reduce((sum, number, i) => sum + number * key[i], 0);
  }

  /** @param {number} k */
  logit(k) {
    const { scale, bias, logits } = this.vectors;
    if (logits || scale === null) return logits ? logits(this.q, k) : NaN;
    return scale * this.product(k) + (bias ? bias(this.q, k) : 0);
  }

  /** @param {number} k */
  weight(k) {
    return Math.exp(this.logit(k) - this.largest) / this.total;
  }
}

/**
 * A number to be read, with a true minus.
 * @param {number} value
 */
const text = (value) => {
  const rounded = Number(value.toPrecision(4));
  const plain = Math.abs(rounded) >= 1e-4 || rounded === 0;
  return (plain ? String(rounded) : rounded.toExponential(1)).replace("-", "−");
};

/** @param {string} name */
const variable = (name) => element("i", {}, name);

/** @param {number} value */
const bold = (value) => element("b", {}, text(value));

/** @param {string} said */
const small = (said) => element("small", {}, said);

/**
 * @param {string} title
 * @param {Said} formula
 * @param {string} [kind]
 */
const step = (title, formula, kind = "") =>
  element(
    "li",
    kind ? { class: kind } : {},
    element("span", {}, title),
    element("span", { class: "formula" }, ...formula),
  );

/**
 * The sum of products, of which the first are written out.
 * @param {Row} row
 * @param {number} k
 */
function productStep(row, k) {
  const [query, key] = [row.vectors.query(row.q), row.vectors.key(k)];
  const shown = Math.min(MOST_PRODUCTS, query.length);
  const terms = Array.from({ length: shown }, (_, i) => {
    const sign = i === 0 ? (query[i] < 0 ? "−" : "") : query[i] < 0 ? " − " : " + ";
    return `${sign}${text(Math.abs(query[i]))} × ${text(key[i])}`;
  });
  const rest = query.length - shown;
  return step("query · key", [
    variable("q"),
    " · ",
    variable("k"),
    ` = ${terms.join("")}${rest ? ` + … (${rest} more)` : ""} = `,
    bold(row.product(k)),
  ]);
}

/**
 * From the product to the logit: a scale and a bias, or whatever else the program does.
 * @param {Row} row
 * @param {number} k
 */
function logitStep(row, k) {
  const { scale, bias, features } = row.vectors;
  if (scale === null) {
    return step("logit", [
      variable("l"),
      " = ",
      bold(row.logit(k)),
      small(
        "As captured. The program does more with the product than multiply it by a number, such as to cap it or to add a bias; or no row has two products that tell the number. So the logit cannot be worked out from query and key alone.",
      ),
    ]);
  }
  const root = Math.abs(scale * Math.sqrt(features) - 1) < 1e-3;
  const why = root
    ? `${text(scale)} is 1/√${features}, for ${features} features.`
    : scale === 1
      ? `No factor here: a model that divides by √${features} did so to query or key before.`
      : "";
  const bound = bias ? bias(row.q, k) : 0;
  if (row.vectors.half && bound <= LOWEST_HALF) {
    return step("logit", [
      variable("l"),
      " is ",
      element("b", {}, "masked"),
      small("A bias of −60000 or less is added to it, so low that the weight is 0."),
    ]);
  }
  const added = bias ? ` + ${text(bound)}` : "";
  const what =
    bound <= MASKING ? "a bias so low that it masks the pair" : "a bias that the program adds";
  const factor = scale === 1 ? "" : `${text(scale)} × `;
  const worked = factor || added ? ` = ${factor}${text(row.product(k))}${added} = ` : " = q · k = ";
  return step("logit", [
    variable("l"),
    worked.replace("+ −", "− "),
    bold(row.logit(k)),
    ...(why || bias ? [small(bias ? `${why} The last number is ${what}.`.trim() : why)] : []),
  ]);
}

/**
 * @param {Row} row
 * @param {number} k
 * @param {number} keys
 * @param {string} strongest the key with the largest logit
 */
function softmaxSteps(row, k, keys, strongest) {
  const raised = Math.exp(row.logit(k) - row.largest);
  const masked = keys - row.open.length;
  const many = `${row.open.length} ${row.open.length === 1 ? "key" : "keys"}`;
  return [
    step("exponential", [
      "exp(",
      variable("l"),
      ` − largest) = exp(${text(row.logit(k))} − ${text(row.largest)}) = `.replace("− −", "+ "),
      bold(raised),
      small(
        `The largest logit of the row, that of “${strongest}”, is taken off first, so that nothing overflows.`,
      ),
    ]),
    step("softmax", [
      variable("w"),
      ` = ${text(raised)} / ${text(row.total)} = `,
      element("b", {}, weightText(row.weight(k))),
      small(
        `${text(row.total)} is the sum over the ${many} that this query may look at${masked ? `; ${masked} are masked` : ""}.`,
      ),
    ]),
  ];
}

/**
 * Whether that is the captured weight, and if not, why.
 * @param {Row} row
 * @param {import("./head.js").Head} head
 * @param {number} k
 */
function captured(row, head, k) {
  const recorded = head.at(row.q, k);
  const found = row.weight(k);
  const whole = head.rest(row.q, 0);
  const near = (/** @type {number} */ weight) =>
    Math.abs(weight - recorded) <= (row.vectors.half ? HALF : EXACT) + head.errorBound(row.q, k, 0);
  const shown = element("b", {}, weightText(recorded));
  if (near(found)) {
    const difference = Math.abs(found - recorded);
    const off = difference === 0 ? "the same" : `${difference.toExponential(0)} away`;
    return step("captured", [shown, ` in the program itself: ${off}.`], "met");
  }
  const format = row.vectors.precision;
  // A rounded logit is off by a share of its size, and so by that factor is its exponential.
  const largest = Math.max(Math.abs(row.logit(k)), Math.abs(row.largest));
  const rounding = (STEPS[format] ?? 0) * (1 + largest) * Math.max(found, recorded);
  if (Math.abs(found - recorded) <= rounding + head.errorBound(row.q, k, 0)) {
    const off = `${Math.abs(found - recorded).toExponential(0)} away`;
    const why = `As much as rounding makes: the program computed it in ${format}.`;
    return step("captured", [shown, ` in the program itself: ${off}.`, small(why)], "met");
  }
  if (near(found * whole)) {
    const share = `The captured row sums to ${weightText(whole)}: the rest went where no key is, such as to a sink, so each weight is that share of the softmax.`;
    return step("captured", [shown, small(share)], "met");
  }
  const why = row.vectors.half
    ? "Queries and keys are stored here in half precision, which large logits feel; or the program does more between logit and weight."
    : "So the program does more between logit and weight than a softmax over these keys.";
  return step("captured", [shown, ` in the program itself: it differs. ${why}`]);
}

/** What stands there already. */
let written = "";

/**
 * Says how the chosen weight was computed, if that is unfolded.
 * @param {State} state
 */
export async function showComputed(state) {
  const fold = document.querySelector("#computed");
  if (!(fold instanceof HTMLDetailsElement) || !fold.open || isHovering()) return;
  const place = /** @type {HTMLElement} */ (fold.querySelector("#computing"));
  const name = [state.stack, state.layer, state.head, state.q, state.k].join();
  if (name === written) return;
  written = name;
  const steps = await stepsOf(state);
  if (name === written) place.replaceChildren(...steps);
}

/**
 * @param {State} state
 * @returns {Promise<HTMLElement[]>}
 */
async function stepsOf({ stack: shown, layer, head, q, k }) {
  const stack = stackAt(baseOf(shown));
  if (stackAt(shown).spans)
    return [step("tokens only", ["Words are sums and means of tokens: turn “whole words” off."])];
  const loading = loadVectors(shown, layer, head);
  if (!loading) return [step("not known", ["Queries and keys of this layer were not captured."])];
  let vectors;
  try {
    vectors = await loading;
  } catch (error) {
    return [step("damaged", [error instanceof Error ? error.message : String(error)])];
  }
  const keys = keyAxis(stack).labels.length;
  const weights = headNow(baseOf(shown), layer, head);
  const allowed = maskNow(baseOf(shown), layer, head) ?? (() => true);
  const row = new Row(vectors, q, keys, allowed);
  const first = [productStep(row, k), logitStep(row, k)];
  if (!allowed(q, k)) {
    const names = `${label(stack.query, q)} may not look at ${label(keyAxis(stack), k)}`;
    return [
      ...first,
      step("mask", [`${names}: the logit counts as −∞, and the weight is `, bold(0)]),
    ];
  }
  const last = weights ? [captured(row, /** @type {any} */ (weights), k)] : [];
  return [...first, ...softmaxSteps(row, k, keys, label(keyAxis(stack), row.strongest)), ...last];
}

export function listenToComputed() {
  document.querySelector("#computed")?.addEventListener("toggle", () => {
    written = "";
    void showComputed(chosenState());
  });
}

/** What was written token by token: where the row that wrote each token looked, and how sure it was. */

import { element, find } from "./dom.js";
import { tip, weightText } from "./format.js";
import { hidingOf } from "./head.js";
import { baseOf, keyAxis, label, manifest, stackAt } from "./manifest.js";
import { directionOf } from "./running.js";
import { shadeOf } from "./scales.js";
import { choose, chosenState, isHovering } from "./state.js";
import { hideTip, showTip } from "./tooltip.js";
import { headNow } from "./weights.js";

/** @typedef {Readonly<import("./types").State>} State */

/** How long a token stands while all are played. */
const PLAY_MS = 700;
/** So many keys are named as what a row looked at most, and none with less than this. */
const MOST_READ = 4;
const LEAST_READ = 0.02;

/** What the bars of the charts say, by their panels. */
export const PANELS = /** @type {const} */ ({ probability: 0, entropy: 1 });

/** @param {number} stackIndex */
const generationOf = (stackIndex) => {
  const stack = stackAt(baseOf(stackIndex));
  return stack.firstStep === null ? null : manifest.examples[stack.example].generation;
};

/**
 * Which token the chosen row wrote; -1 if it wrote none. The first piece of a word stands for it.
 * @param {State} state
 */
function stepOf({ stack, q }) {
  const written = generationOf(stack);
  if (!written) return -1;
  const { spans } = stackAt(stack);
  const first = /** @type {number} */ (stackAt(baseOf(stack)).firstStep);
  const steps = (spans ? spans.query[q] : [q]).map((piece) => piece - first);
  return steps.find((step) => step >= 0 && step < written.read.length) ?? -1;
}

/**
 * Goes to the row that wrote a token, and to what it looked at most.
 * @param {number} step
 */
export function chooseStep(step) {
  const { stack: shown, layer, head } = chosenState();
  const [stack, written] = [baseOf(shown), generationOf(shown)];
  if (!written || !(step >= 0 && step < written.read.length)) return;
  const q = /** @type {number} */ (stackAt(stack).firstStep) + step;
  const weights = headNow(stack, layer, head);
  const [strongest] = weights ? strongestKeys(weights, q, hidingOf(chosenState())) : [];
  // Tokens are written one by one, also those that make one word.
  choose({ stack, words: false, q, k: strongest?.k ?? chosenState().k, direction: "from" });
}

/**
 * The keys of a row with their weights, the strongest first.
 * @param {import("./head.js").Head | import("./head.js").WordHead} weights
 * @param {number} q
 * @param {number} hiding
 */
function strongestKeys(weights, q, hiding) {
  const keys = Array.from({ length: weights.keys }, (_, k) => ({
    k,
    w: weights.shown(q, k, hiding),
  }));
  return keys.sort((a, b) => b.w - a.w);
}

/** @param {number} share */
const percent = (share) =>
  share > 0 && share < 1e-6
    ? "under 0.0001%"
    : share >= 0.9995 && share < 1
      ? "over 99.9%"
      : share > 0.0995 && share < 0.9995
        ? `${Math.round(100 * share)}%`
        : `${small(100 * share)}%`;

/** @param {number} value */
const small = (value) => (value === 0 ? "0" : Number(value.toPrecision(value >= 99 ? 4 : 2)));

/**
 * What is known of a token beside its attention.
 * @param {import("./types").Generation} written
 * @param {number} step
 * @returns {import("./types").Fact[]}
 */
function factsOf({ probabilities, entropies }, step) {
  /** @type {import("./types").Fact[]} */
  const facts = [];
  if (probabilities.length) facts.push(["probability", percent(probabilities[step])]);
  if (entropies.length) facts.push(["entropy of the choice", `${entropies[step].toFixed(2)} bits`]);
  return facts;
}

/** The stack whose tokens stand there. */
let written = -1;
/** The tokens that can be looked at, by their keys, and those that were written, by their steps. */
let tokens = { keys: /** @type {HTMLElement[]} */ ([]), steps: /** @type {HTMLElement[]} */ ([]) };

/**
 * @param {string} text
 * @param {Record<string, string | number>} data
 */
const token = (text, data) =>
  element("span", { class: "wd", dir: "auto" }, element("span", { class: "tk", ...data }, text));

/** @param {number} stackIndex */
function write(stackIndex) {
  written = stackIndex;
  const stack = stackAt(stackIndex);
  const generation = /** @type {import("./types").Generation} */ (generationOf(stackIndex));
  const axis = keyAxis(stack);
  const special = new Set(axis.special);
  const before = stack.writtenAt ?? axis.labels.length;
  const source = axis.labels.slice(0, before).map((_, k) => {
    const word = token(label(axis, k), { "data-key": k });
    word.firstElementChild?.classList.toggle("sp", special.has(k));
    return word;
  });
  const output = generation.read.map((text, step) => {
    const word = token(text, { "data-token": step, role: "button", tabindex: -1 });
    word.firstElementChild?.classList.toggle("sp", generation.special.includes(step));
    return word;
  });
  const inside = (/** @type {HTMLElement} */ word) =>
    /** @type {HTMLElement} */ (word.firstElementChild);
  const steps = output.map(inside);
  tokens = {
    keys: [...source.map(inside), ...steps].slice(0, axis.labels.length),
    steps,
  };
  for (const [name, words] of /** @type {const} */ ([
    ["source", source],
    ["output", output],
  ])) {
    const place = find(`#step-${name} .flowing`);
    place.dir = directionOf(axis);
    place.replaceChildren(...words.flatMap((word) => [word, " "]));
  }
  input().max = String(steps.length - 1);
}

const input = () => /** @type {HTMLInputElement} */ (find("#step"));

/**
 * Shows the token that the chosen row wrote.
 * @param {State} state
 */
export function showGeneration(state) {
  const generation = generationOf(state.stack);
  const stackIndex = baseOf(state.stack);
  if (!generation || isHovering()) return;
  if (written !== stackIndex) write(stackIndex);
  const step = stepOf(state);
  place(generation, step);
  const stack = stackAt(stackIndex);
  const weights = headNow(stackIndex, state.layer, state.head);
  const q = /** @type {number} */ (stack.firstStep) + step;
  const keys = step < 0 || !weights ? [] : strongestKeys(weights, q, hidingOf(state));
  const most = Math.max(1e-9, keys[0]?.w ?? 0);
  // A row that writes a token can look at what stands before it.
  const end = stack.writtenAt === null ? tokens.keys.length : stack.writtenAt + step;
  for (const span of tokens.keys) span.style.removeProperty("--w");
  for (const { k, w } of keys)
    if (w > 0 && k < end)
      tokens.keys[k].style.setProperty(
        "--w",
        `${Math.round(100 * shadeOf(state.scale, w / most))}%`,
      );
  tokens.steps.forEach((span, place) => {
    span.classList.toggle("later", step >= 0 && place > step);
    span.classList.toggle("on", place === step);
    if (place === step) span.setAttribute("aria-current", "step");
    else span.removeAttribute("aria-current");
  });
  const read = keys.filter(({ w }) => w >= LEAST_READ * stack.largest).slice(0, MOST_READ);
  find("#step-read").replaceChildren(
    ...read.flatMap(({ k, w }, place) => [
      place ? ", " : "looked most at ",
      element("em", { dir: "auto" }, label(keyAxis(stack), k)),
      " ",
      element("b", {}, weightText(w)),
    ]),
  );
}

/**
 * Says which token it is, and how sure the model was of it.
 * @param {import("./types").Generation} generation
 * @param {number} step -1 for a row that wrote none
 */
function place(generation, step) {
  const count = generation.read.length;
  const facts = step < 0 ? [] : factsOf(generation, step);
  const [text, where] =
    step < 0 ? ["–", "no token"] : [generation.read[step], `token ${step + 1} of ${count}`];
  find("#step-token").textContent = text;
  find("#step-place").textContent = where;
  find("#step-facts").replaceChildren(
    ...(step < 0 ? ["The chosen row reads the prompt, and wrote no token."] : []),
    ...facts.flatMap(([name, value], place) => [
      place ? ` · ${name} ` : `${name} `,
      element("b", {}, value),
    ]),
  );
  if (step >= 0) input().value = String(step);
  const said = facts.map((fact) => fact.join(" "));
  input().setAttribute("aria-valuetext", [text, where, ...said].join(", "));
  /** @type {HTMLButtonElement} */ (find("#step-back")).disabled = step <= 0;
  /** @type {HTMLButtonElement} */ (find("#step-on")).disabled = step === count - 1;
}

let playing = 0;

function stop() {
  clearInterval(playing);
  playing = 0;
  find("#play").textContent = "Play";
}

/** Goes from token to token until the last one; from the first one if that is where it stands. */
function play() {
  const last = Number(input().max);
  const next = () => {
    const step = stepOf(chosenState());
    if (step >= last) return stop();
    chooseStep(step + 1);
    if (step + 1 >= last) stop();
  };
  if (stepOf(chosenState()) >= last) chooseStep(0);
  else next();
  if (stepOf(chosenState()) >= last) return;
  playing = window.setInterval(next, PLAY_MS);
  find("#play").textContent = "Pause";
}

export function listenToGeneration() {
  if (!document.querySelector("#generation")) return;
  input().addEventListener("input", () => {
    stop();
    chooseStep(Number(input().value));
  });
  find("#play").addEventListener("click", () => (playing ? stop() : play()));
  for (const [id, by] of /** @type {const} */ ([
    ["step-back", -1],
    ["step-on", 1],
  ]))
    find(`#${id}`).addEventListener("click", () => {
      stop();
      chooseStep(stepOf(chosenState()) + by);
    });
  for (const name of ["source", "output"]) {
    const strip = find(`#step-${name}`);
    strip.addEventListener("click", ({ target }) => {
      const { token: step, key } = tokenOf(target)?.dataset ?? {};
      if (step !== undefined) {
        stop();
        chooseStep(Number(step));
      } else if (key !== undefined && stepOf(chosenState()) >= 0 && !chosenState().words) {
        choose({ k: Number(key) });
      }
    });
    strip.addEventListener("pointermove", (event) => {
      showTip(described(tokenOf(event.target)), event.clientX, event.clientY);
    });
    strip.addEventListener("pointerleave", hideTip);
  }
}

/** @param {EventTarget | null} target */
const tokenOf = (target) =>
  /** @type {HTMLElement | null} */ (target instanceof Element ? target.closest(".tk") : null);

/**
 * What the pointer says about a token: what it got of the row that wrote the chosen one, and how
 * sure the model was when it wrote it.
 * @param {HTMLElement | null} span
 */
function described(span) {
  const state = chosenState();
  const generation = generationOf(state.stack);
  if (!span || !generation) return "";
  const [stack, chosen] = [stackAt(baseOf(state.stack)), stepOf(state)];
  const key = tokens.keys.indexOf(span);
  const step = tokens.steps.indexOf(span);
  const weights = headNow(baseOf(state.stack), state.layer, state.head);
  /** @type {import("./types").Fact[]} */
  const facts = [[span.textContent ?? "", ""]];
  const end = stack.writtenAt === null ? Infinity : stack.writtenAt + chosen;
  if (weights && chosen >= 0 && key >= 0 && key < end) {
    const w = weights.shown(Number(stack.firstStep) + chosen, key, hidingOf(state));
    facts.push([`looked at for ${generation.read[chosen]}`, weightText(w)]);
  }
  if (step >= 0) facts.push(...factsOf(generation, step));
  return tip(facts);
}

/**
 * What the charts of the steps are told.
 * @param {keyof typeof PANELS} panel
 * @returns {(signals: import("./signals.js").Signals) => import("./signals.js").Signals}
 */
export const withSteps = (panel) => (signals) => {
  const state = chosenState();
  const generation = generationOf(state.stack);
  const stack = stackAt(baseOf(state.stack));
  const { probabilities = [], entropies = [], drawn = [] } = generation ?? {};
  const broadest = Math.log2(Math.max(2, keyAxis(stack).labels.length));
  const top = entropies.length ? Math.max(0.5, ...entropies) * 1.04 : broadest;
  return {
    ...signals,
    stack: baseOf(state.stack),
    panel: PANELS[panel],
    steps: Math.max(1, drawn.length),
    stepLabels: drawn,
    step: stepOf(state),
    top: panel === "probability" && probabilities.length ? 1 : top,
  };
};

/**
 * A number for each token that was written.
 * @param {number} stackIndex
 * @param {number} panel
 * @param {() => Promise<{ entropy: number }[]>} entropies of the rows of the chosen head
 */
export async function stepRows(stackIndex, panel, entropies) {
  const generation = generationOf(stackIndex);
  if (!generation) return [];
  const known = panel === PANELS.probability ? generation.probabilities : generation.entropies;
  const first = Number(stackAt(baseOf(stackIndex)).firstStep);
  const own = known.length || panel === PANELS.probability ? [] : await entropies();
  return generation.read.flatMap((text, step) => {
    const value = known.length ? known[step] : own[first + step]?.entropy;
    if (value === undefined) return [];
    const bits = `${value.toFixed(2)} bits`;
    /** @type {import("./types").Fact[]} */
    const facts = known.length ? factsOf(generation, step) : [["entropy of the look", bits]];
    return [{ step, value, tip: tip([[text, `token ${step + 1}`], ...facts]) }];
  });
}

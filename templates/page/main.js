/** Starts the page: draws what is looked at first, then follows every change. */

import { loadAtlas } from "./atlas.js";
import { caption } from "./captions.js";
import { listenToCard, showCard } from "./card.js";
import { listenToChoosers, paintCards, showChoice } from "./chooser.js";
import { listenToComputed, showComputed } from "./computed.js";
import { findAll, note } from "./dom.js";
import { listenToDownloads } from "./downloads.js";
import { isListed, listenToHeadList, showHeadList } from "./headlist.js";
import { loadMeasures } from "./heads.js";
import { captionFlow } from "./flow.js";
import { listenToGeneration } from "./generation.js";
import { listenToKeys } from "./keys.js";
import { mountFirst, mountFitting, placeHeatmap } from "./layout.js";
import { followLinks } from "./link.js";
import { headName, manifest, stackAt } from "./manifest.js";
import { captionMeans, listenToLeading } from "./mapview.js";
import { loadMask } from "./masks.js";
import { loadMeans } from "./means.js";
import { listenToOrdering, showOrdering } from "./ordering.js";
import { onModeChange } from "./palette.js";
import { loadPhoto } from "./photos.js";
import { rowsAt } from "./rows.js";
import { signalsOf } from "./signals.js";
import { listenToSettings, showSettings } from "./settings.js";
import { choose, chosenState, isHovering, onChange, shownState } from "./state.js";
import { listenToStrips } from "./strip.js";
import { listenToTables, listHeads } from "./tables.js";
import { chartNamed, tellHidden, tellVisible } from "./views.js";
import { headNow, loadHead } from "./weights.js";

/** Moments of the start, in milliseconds since the page was opened. @type {Record<string, number>} */
const marks = { script: performance.now() };

let following = Promise.resolve();
let behind = false;
/** Whether everything shows what the page was opened at. */
let opened = false;
let busy = false;
let shownStack = -1;
/** Whether heads were last shown as a list, and not in their grid. */
let listed = false;

/** Brings the page up to date; changes that come meanwhile are caught up with in one go. */
function follow() {
  behind = true;
  if (!busy) following = catchUp();
  return following;
}

async function catchUp() {
  busy = true;
  while (behind) {
    behind = false;
    const state = { ...shownState() };
    try {
      note(await update(state));
    } catch (error) {
      complain(state, error);
    }
  }
  busy = false;
}

/**
 * Shows a state in every view.
 * @param {import("./types").State} state
 * @returns {Promise<string>} what could not be shown; empty if everything was
 */
async function update(state) {
  const started = performance.now();
  const damage = await prepare(state);
  // Opening the page is no news; only what is chosen afterwards is said aloud.
  caption(state, !isHovering() && opened);
  const elsewhere = state.stack !== shownStack;
  const regrouped = isListed(state) !== listed;
  shownStack = state.stack;
  listed = isListed(state);
  if (elsewhere) placeHeatmap();
  await tellVisible(signalsOf(state));
  if (!isHovering()) {
    showChoice();
    listHeads();
    showSettings();
    showHeads();
  }
  marks.update = performance.now() - started;
  // A pointer on its way must not wait for charts that nobody sees.
  if (!isHovering()) await tellHidden();
  if (elsewhere || regrouped) await mountFitting(signalsOf(state));
  if (!isHovering()) await Promise.all([average(state), captionFlow(state), showComputed(state)]);
  return damage;
}

/**
 * Brings the means over all examples up to date. They need most of the file, so that nothing else
 * waits for them.
 * @param {Readonly<import("./types").State>} state
 */
async function average(state) {
  if (!(await loadMeans(state))) return;
  captionMeans();
  await tellVisible(signalsOf(state));
  await tellHidden();
}

/**
 * Decodes what the views of a state need at once. Only views of all heads need their picture and
 * what is measured of them, so damage to these is told and the rest goes on.
 * @param {Readonly<import("./types").State>} state
 * @returns {Promise<string>} what is damaged, in a sentence; empty if nothing is
 */
async function prepare(state) {
  const { stack, layer, head } = state;
  const [, , ...damage] = await Promise.all([
    loadHead(stack, layer, head),
    loadMask(stack, layer),
    damageIn(loadAtlas(stack), "The overview could not be drawn"),
    damageIn(loadMeasures(stack), "Heads cannot be compared"),
    ...stackAt(stack).pictures.map((number) => loadPhoto(number).then(() => "")),
  ]);
  return damage.filter(Boolean).join(" ");
}

/**
 * @param {Promise<unknown>} loading
 * @param {string} consequence
 * @returns {Promise<string>} what is damaged, in a sentence; empty if nothing is
 */
const damageIn = (loading, consequence) =>
  loading.then(
    () => "",
    (error) => `${consequence}: ${messageOf(error)}.`,
  );

/** What is said of heads beside the charts. */
function showHeads() {
  showOrdering();
  showHeadList();
  showCard();
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * @param {Readonly<import("./types").State>} state
 * @param {unknown} error
 */
function complain({ stack, layer, head }, error) {
  console.error(error);
  note(`${headName(stackAt(stack), layer, head)} could not be read: ${messageOf(error)}.`);
}

async function start() {
  followLinks();
  const state = { ...chosenState() };
  // Damage to the head that is looked at first must not take the others with it.
  await drawFirst(state).catch((error) => complain(state, error));
  onChange(() => void follow());
  if (shownStack >= 0) await follow();
  listen();
  document.documentElement.dataset.ready = "true";
  void follow().then(() => (opened = true));
}

/** @param {Readonly<import("./types").State>} state */
async function drawFirst(state) {
  try {
    await prepare(state);
    marks.decoded = performance.now();
    placeHeatmap();
    await mountFirst("heatmap", signalsOf(state), marks);
  } finally {
    // The overview needs no weights, so damage to the chosen head does not touch it.
    await mountFirst("overview", signalsOf(state), marks);
  }
  caption(state, false);
  showHeads();
  await mountFitting(signalsOf(state), marks);
  shownStack = state.stack;
  marks.all = performance.now();
}

function listen() {
  listenToCard();
  listenToChoosers();
  listenToHeadList();
  listenToOrdering();
  listenToComputed();
  listenToDownloads();
  listenToGeneration();
  listenToKeys();
  listenToSettings();
  listenToStrips();
  listenToLeading();
  listenToTables();
  paintCards();
  onModeChange(() => {
    paintCards();
    void follow();
  });
  addEventListener("beforeprint", () => {
    for (const fold of findAll("details")) /** @type {HTMLDetailsElement} */ (fold).open = true;
    void tellHidden();
  });
}

/** For tests and for curious readers: what the page knows, as numbers. */
Object.assign(window, {
  attnreport: {
    manifest,
    marks,
    idle: () => following,
    state: () => ({ ...chosenState() }),
    choose,
    /** The weight as stored in the page. */
    weight: async (
      /** @type {number} */ stack,
      /** @type {number} */ layer,
      /** @type {number} */ head,
    ) => {
      const decoded = await loadHead(stack, layer, head);
      return Array.from({ length: decoded.queries }, (_, q) =>
        Array.from({ length: decoded.keys }, (_, k) => decoded.at(q, k)),
      );
    },
    /** What a chart is given at an `attn:` address. */
    rows: rowsAt,
    decoded: () => headNow(chosenState().stack, chosenState().layer, chosenState().head) !== null,
    stack: () => stackAt(chosenState().stack),
    view: (/** @type {string} */ name) => chartNamed(name)?.view ?? null,
  },
});

start().catch((error) => {
  console.error(error);
  note(`The charts of this report could not be drawn: ${messageOf(error)}.`);
});

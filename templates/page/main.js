/** Starts the page: draws what is looked at first, then follows every change. */

import { loadAtlas } from "./atlas.js";
import { listenToBeside, loadBeside, showBeside } from "./beside.js";
import { caption } from "./captions.js";
import { listenToCard, showCard, walkOn } from "./card.js";
import { listenToChoosers, paintCards, showChoice } from "./chooser.js";
import { listenToComputed, showComputed } from "./computed.js";
import { findAll, note } from "./dom.js";
import { listenToDownloads } from "./downloads.js";
import { isListed, listenToHeadList, showHeadList } from "./headlist.js";
import { loadMeasures } from "./heads.js";
import { captionFlow } from "./flow.js";
import { listenToGeneration } from "./generation.js";
import { listenToKeys } from "./keys.js";
import { complain, damageIn, following, marks, messageOf } from "./following.js";
import { CHARTS, align } from "./layout.js";
import { followLinks } from "./link.js";
import { stackAt } from "./manifest.js";
import { captionMeans, listenToLeading } from "./mapview.js";
import { loadMask } from "./masks.js";
import { loadMeans } from "./means.js";
import { listenToOrdering, showOrdering } from "./ordering.js";
import { mountFirst, mountFitting } from "./mounting.js";
import { onModeChange } from "./palette.js";
import { loadPhoto } from "./photos.js";
import { signalsOf } from "./signals.js";
import { placeHeatmap } from "./sizes.js";
import { listenToSettings, showSettings } from "./settings.js";
import { chosenState, isHovering, onChange } from "./state.js";
import { listenToStrips } from "./strip.js";
import { listenToTables, listHeads } from "./tables.js";
import { tellHidden, tellVisible } from "./views.js";
import { loadHead } from "./weights.js";

/** Whether everything shows what the page was opened at. */
let opened = false;
let shownStack = -1;
/** Whether heads were last shown as a list, and not in their grid. */
let listed = false;

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
  const rejoined = showBeside(state);
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
  if (elsewhere || regrouped || rejoined) await mountAll(state);
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
  const [, , , ...damage] = await Promise.all([
    loadHead(stack, layer, head),
    loadMask(stack, layer),
    loadBeside(state),
    damageIn(loadAtlas(stack), "The overview could not be drawn"),
    damageIn(loadMeasures(stack), "Heads cannot be compared"),
    ...stackAt(stack).pictures.map((number) => loadPhoto(number).then(() => "")),
  ]);
  return damage.filter(Boolean).join(" ");
}

/** @param {Readonly<import("./types").State>} state */
async function mountAll(state) {
  await mountFitting(CHARTS, signalsOf(state), marks);
  align();
}

/** What is said of heads beside the charts. */
function showHeads() {
  showOrdering();
  showHeadList();
  showCard();
}

const follow = following(update);

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
    await mountFirst(CHARTS, "heatmap", signalsOf(state), marks);
  } finally {
    // The overview needs no weights, so damage to the chosen head does not touch it.
    await mountFirst(CHARTS, "overview", signalsOf(state), marks);
  }
  caption(state, false);
  showHeads();
  await mountAll(state);
  shownStack = state.stack;
  marks.all = performance.now();
}

function listen() {
  listenToBeside();
  listenToCard();
  listenToChoosers();
  listenToHeadList();
  listenToOrdering();
  listenToComputed();
  listenToDownloads();
  listenToGeneration();
  listenToKeys({ n: () => walkOn(1), p: () => walkOn(-1) });
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

start().catch((error) => {
  console.error(error);
  note(`The charts of this report could not be drawn: ${messageOf(error)}.`);
});

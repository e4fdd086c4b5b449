/** Starts the page of two recordings: draws what changed most, then follows every change. */

import { loadAtlas } from "./atlas.js";
import { changeText, changeOf, listenToChanges, showChanges, walkChanges } from "./changes.js";
import { listenToChoosers, paintCards, showChoice } from "./chooser.js";
import { find, findAll, note, show } from "./dom.js";
import { complain, damageIn, following, marks, messageOf } from "./following.js";
import { listenToKeys } from "./keys.js";
import { followLinks } from "./link.js";
import { headName, manifest, stackAt } from "./manifest.js";
import { mountFirst, mountFitting } from "./mounting.js";
import { onModeChange } from "./palette.js";
import { listenToPick } from "./picking.js";
import { listenToFades } from "./running.js";
import { listenToSettings, showSettings } from "./settings.js";
import { SIDE_CHARTS, captionSides, listenToSides, loadSides } from "./sides.js";
import { signalsOf } from "./signals.js";
import { gridSize } from "./sizes.js";
import { chosenState, isHovering, onChange } from "./state.js";
import { listenToTables } from "./tables.js";
import { colorTexts, listenToTexts } from "./texts.js";
import { tellHidden, tellVisible } from "./views.js";

/** @type {import("./mounting.js").Charts} */
const CHARTS = {
  changes: {
    size: (width) => gridSize(width, 620, 60),
    renderer: "svg",
    listen: listenToPick,
  },
  ...SIDE_CHARTS,
};

/** Whether everything shows what the page was opened at. */
let opened = false;
let shownStack = -1;
let captioned = "";

/**
 * Shows a state in every view.
 * @param {import("./types").State} state
 * @returns {Promise<string>} what could not be shown; empty if everything was
 */
async function update(state) {
  const started = performance.now();
  const damage = await prepare(state);
  caption(state);
  await tellVisible(signalsOf(state));
  if (!isHovering()) {
    showChoice();
    showSettings();
    showChanges();
  }
  marks.update = performance.now() - started;
  if (isHovering()) return damage;
  await tellHidden();
  // A narrow page makes room for a chart when it is asked for.
  await mountFitting(CHARTS, signalsOf(state), marks);
  shownStack = state.stack;
  return damage;
}

/** @param {Readonly<import("./types").State>} state */
async function prepare(state) {
  const damage = damageIn(loadAtlas(state.stack), "The small pictures could not be drawn");
  await loadSides(state);
  return damage;
}

/** @param {Readonly<import("./types").State>} state */
function caption(state) {
  const stack = stackAt(state.stack);
  const said = captionSides(state);
  colorTexts(state);
  if (isHovering()) return;
  const { layer, head } = state;
  show("layer", String(stack.layerNumbers[layer]));
  show("head", String(head));
  show("module", stack.names[layer]);
  if (state.stack !== shownStack) {
    show("example", manifest.examples[stack.example].name);
    show("group", stack.group);
    for (const place of findAll("[data-when]"))
      place.hidden = !stack.conditions.includes(place.dataset.when ?? "");
  }
  // Opening the page is no news; only what is chosen afterwards is said aloud.
  const news = `${headName(stack, layer, head)} changed by ${changeText(changeOf(state.stack, state))}. ${said}`;
  if (opened && news !== captioned) find("#live").textContent = news;
  captioned = news;
}

const follow = following(update);

async function start() {
  followLinks();
  const state = { ...chosenState() };
  await drawFirst(state).catch((error) => complain(state, error));
  onChange(() => void follow());
  await follow();
  listen();
  document.documentElement.dataset.ready = "true";
  void follow().then(() => (opened = true));
}

/** @param {Readonly<import("./types").State>} state */
async function drawFirst(state) {
  try {
    await prepare(state);
    marks.decoded = performance.now();
    await mountFirst(CHARTS, "difference", signalsOf(state), marks);
  } finally {
    // The ranking needs no weights, so damage to the chosen head does not touch it.
    await mountFirst(CHARTS, "changes", signalsOf(state), marks);
  }
}

function listen() {
  listenToChanges();
  listenToChoosers();
  listenToFades();
  listenToKeys({ n: () => walkChanges(1), p: () => walkChanges(-1) });
  listenToSettings();
  listenToSides();
  listenToTables();
  listenToTexts();
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
  note(`The charts of this page could not be drawn: ${messageOf(error)}.`);
});

/** The charts of what was written token by token: where they stand, and what a click on them does. */

import { chooseStep, withSteps } from "./generation.js";
import { manifest, stackAt } from "./manifest.js";
import { shownState } from "./state.js";

/** Room beside the bars for their axis, and what each bar takes, in pixels. */
const AXIS = 60;
const BAR = 54;
const [NARROWEST, WIDEST] = [120, 560];

/** @type {import("./views.js").Sizing} */
const size = (width) => {
  const { example } = stackAt(shownState().stack);
  const steps = manifest.examples[example].generation?.read.length ?? 1;
  const wanted = Math.max(NARROWEST, Math.min(WIDEST, steps * BAR));
  return { width: Math.min(wanted, Math.max(100, width - AXIS)) };
};

/** @param {import("./views.js").Chart} chart */
function listen(chart) {
  chart.view.addEventListener("click", (_event, item) => chooseStep(Number(item?.datum?.step)));
}

/** @type {import("./mounting.js").Charts} */
export const STEP_CHARTS = {
  "steps-0": { size, spec: "steps", own: withSteps("probability"), listen },
  "steps-1": { size, spec: "steps", own: withSteps("entropy"), listen },
};

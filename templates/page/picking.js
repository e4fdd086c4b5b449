/** Clicks on marks that stand for heads. */

import { choose } from "./state.js";

/**
 * A click on a mark of a head chooses it.
 * @param {import("./views.js").Chart} chart
 */
export function listenToPick({ view }) {
  view.addSignalListener("pick", (_name, picked) => {
    if (picked?.layer) choose({ layer: picked.layer[0], head: picked.head[0] });
  });
}

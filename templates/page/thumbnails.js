/** Single heads cut out of the picture of all heads. */

import { mostHeads, stackAt } from "./manifest.js";
import { mode } from "./palette.js";
import { attnImage } from "./pictures.js";

/**
 * Paints a head into a canvas, with the strongest cell under each pixel as in the atlas.
 * @param {HTMLCanvasElement} canvas
 * @param {number} stackIndex
 * @param {import("./types").HeadPlace} place
 */
export function paintHead(canvas, stackIndex, { layer, head }) {
  const stack = stackAt(stackIndex);
  const [width, height] = [
    stack.atlas.width / mostHeads(stack),
    stack.atlas.height / stack.heads.length,
  ];
  const picture = attnImage(`attn:atlas/${stackIndex}/${mode()}`);
  canvas.width = width;
  canvas.height = height;
  // Empty while the atlas is not decoded, or damaged.
  if (picture.width < stack.atlas.width) return;
  const from = [head * width, layer * height];
  canvas.getContext("2d")?.drawImage(picture, from[0], from[1], width, height, 0, 0, width, height);
}

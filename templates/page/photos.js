/** The pictures that went into the model. */

import { readBlock } from "./blocks.js";
import { manifest } from "./manifest.js";

/** @type {Map<number, HTMLCanvasElement>} */
const decoded = new Map();

/** @param {number} number */
export const photoNow = (number) => decoded.get(number) ?? null;

/**
 * Each byte is stored as its difference from the one before it, channel by channel; see
 * attnreport/report/pictures.py.
 * @param {number | null} number
 */
export async function loadPhoto(number) {
  if (number === null || decoded.has(number)) return;
  const { width, height, channels } = manifest.pictures[number];
  const size = width * height;
  const bytes = await readBlock(`picture${number}`, size * channels);
  for (let at = 1; at < bytes.length; at++) bytes[at] += bytes[at - 1];
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < size; pixel++) {
    for (let color = 0; color < 3; color++)
      image.data[4 * pixel + color] = bytes[pixel + (channels > 1 ? color * size : 0)];
    image.data[4 * pixel + 3] = 255;
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  decoded.set(number, canvas);
}

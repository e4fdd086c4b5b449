/** The thumbnails of all heads of a stack, read from the PNG that also shows without scripts. */

import { blockText, bytesOf, inflate } from "./blocks.js";
import { baseOf, stackAt } from "./manifest.js";

/** @type {Map<number, Uint8Array>} */
const decoded = new Map();

/** @param {number} stackIndex */
export const atlasNow = (stackIndex) => decoded.get(baseOf(stackIndex)) ?? null;

/**
 * One square-root step (0 to 255) per pixel, row by row.
 * @param {number} stackIndex
 */
export async function loadAtlas(stackIndex) {
  const known = atlasNow(stackIndex);
  if (known) return known;
  const { id, width, height } = stackAt(stackIndex).atlas;
  const rows = await pixelRows(id, (width + 1) * height);
  const pixels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    // Each row starts with its filter type, which is always 0 in our files.
    const start = y * (width + 1) + 1;
    pixels.set(rows.subarray(start, start + width), y * width);
  }
  decoded.set(baseOf(stackIndex), pixels);
  return pixels;
}

/**
 * The rows of the picture as they are stored.
 * @param {string} id
 * @param {number} size
 */
async function pixelRows(id, size) {
  const text = await blockText(id);
  try {
    const png = bytesOf(/base64,([^"]+)/.exec(text)?.[1] ?? text);
    return await inflate(pixelData(png), size);
  } catch (error) {
    throw new Error("the picture of all heads in this file is damaged", { cause: error });
  }
}

/**
 * The content of the IDAT chunk. Reading pixels back through a canvas instead would give wrong
 * values where a browser protects against fingerprinting.
 * @param {Uint8Array<ArrayBuffer>} png
 */
function pixelData(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at < png.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (name === "IDAT") return png.slice(at + 8, at + 8 + length);
    at += length + 12;
  }
  throw new Error("there is no picture");
}

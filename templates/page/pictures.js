/** Pictures that image marks show: weights as pixels, without a chart mark per cell. */

import { atlasNow } from "./atlas.js";
import { stackAt } from "./manifest.js";
import { mapNamed } from "./maps.js";
import { maskNow } from "./masks.js";
import { heatPixel, maskedPixel, pixelsOf } from "./palette.js";
import { photoNow } from "./photos.js";
import { headNow } from "./weights.js";

/** @typedef {import("./palette.js").Mode} Mode */

const KEPT = 24;

/** @type {Map<string, HTMLCanvasElement>} */
const drawn = new Map();

/** @type {Record<string, (address: string[]) => HTMLCanvasElement | null>} */
const PAINTERS = {
  atlas: atlasPicture,
  head: headPicture,
  map: mapPicture,
  picture: ([number]) => photoNow(Number(number)),
};

/**
 * The picture at an `attn:` address. Empty until its data are decoded.
 * @param {string} address
 */
export function attnImage(address) {
  const known = drawn.get(address);
  if (known) return known;
  const [kind, ...rest] = address.slice("attn:".length).split("/");
  const picture = PAINTERS[kind](rest);
  if (!picture) return paint(1, 1, () => {});
  drawn.set(address, picture);
  if (drawn.size > KEPT) drawn.delete(/** @type {string} */ (drawn.keys().next().value));
  return picture;
}

/** @param {string[]} address */
function atlasPicture([stackIndex, mode]) {
  const steps = atlasNow(Number(stackIndex));
  if (!steps) return null;
  const { width, height } = stackAt(Number(stackIndex)).atlas;
  const colors = pixelsOf(/** @type {Mode} */ (mode));
  return paint(width, height, (pixels) => {
    for (let i = 0; i < pixels.length; i++) pixels[i] = colors[steps[i]];
  });
}

/** @param {string[]} address */
function headPicture([stackIndex, layer, headIndex, exponent, ceiling, hidden, modeName]) {
  const head = headNow(Number(stackIndex), Number(layer), Number(headIndex));
  if (!head) return null;
  const mode = /** @type {Mode} */ (modeName);
  const colorOf = colorScale(pixelsOf(mode), Number(exponent), Number(ceiling));
  const allowed = maskNow(Number(stackIndex), Number(layer), Number(headIndex));
  const forbidden = maskedPixel(mode);
  return paint(head.keys, head.queries, (pixels) => {
    for (let query = 0; query < head.queries; query++) {
      for (let key = 0; key < head.keys; key++) {
        const cell = query * head.keys + key;
        const masked = allowed !== null && !allowed(query, key);
        pixels[cell] = masked ? forbidden : colorOf(head.shown(query, key, hidden === "1"));
      }
    }
  });
}

/**
 * A map in the colors of weights, or over a picture in one color that is clear where there is none.
 * @param {string[]} address
 */
function mapPicture([id, exponent, modeName]) {
  const map = mapNamed(id);
  if (!map) return null;
  const mode = /** @type {Mode} */ (modeName);
  const over = map.picture !== null;
  const colors = over ? Uint32Array.from({ length: 256 }, (_, i) => heatPixel(i)) : pixelsOf(mode);
  const colorOf = colorScale(colors, Number(exponent), map.high - map.low);
  const forbidden = maskedPixel(mode, over ? 0.7 : 1);
  return paint(map.columns, map.rows, (pixels) => {
    for (let cell = 0; cell < pixels.length; cell++) {
      const masked = map.allowed !== null && !map.allowed[cell];
      pixels[cell] = masked ? forbidden : colorOf(Math.max(0, map.values[cell] - map.low));
    }
  });
}

/** Steps of the table that turns weights into colors; finer than the 256 colors at the pale end. */
const TABLE = 4096;

/**
 * @param {Uint32Array} colors
 * @param {number} exponent
 * @param {number} ceiling
 * @returns {(weight: number) => number}
 */
function colorScale(colors, exponent, ceiling) {
  // The table runs over the square root of the weight, where both scales are smooth.
  const table = Uint32Array.from(
    { length: TABLE + 1 },
    (_, step) => colors[Math.round(255 * (step / TABLE) ** (2 * exponent))],
  );
  return (weight) => table[Math.round(TABLE * Math.sqrt(Math.min(1, weight / ceiling)))];
}

/**
 * @param {number} width
 * @param {number} height
 * @param {(pixels: Uint32Array) => void} fill
 */
export function paint(width, height, fill) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  fill(new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * A picture drawn into a canvas of the page.
 * @param {HTMLCanvasElement} canvas
 * @param {string} address
 */
export function paintThumbnail(canvas, address) {
  const picture = attnImage(address);
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d")?.drawImage(picture, 0, 0);
}

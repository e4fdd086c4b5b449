/** Pictures that image marks show: weights as pixels, without a chart mark per cell. */

import { atlasNow } from "./atlas.js";
import { stackAt } from "./manifest.js";
import { mapNamed } from "./maps.js";
import { noneIn } from "./none.js";
import {
  NO_CHANGE,
  STEPS_OF_CHANGE,
  changePixelsOf,
  hatchPixels,
  heatPixel,
  pixelsOf,
} from "./palette.js";
import { photoNow } from "./photos.js";
import { shadeOf } from "./scales.js";
import { differenceNow, headNow } from "./weights.js";

/** @typedef {import("./none.js").Cells} Cells */
/** @typedef {import("./palette.js").Mode} Mode */
/** @typedef {import("./types").Scale} Scale */

const KEPT = 24;

/** @type {Map<string, HTMLCanvasElement>} */
const drawn = new Map();

/** @type {Record<string, (address: string[]) => HTMLCanvasElement | null>} */
const PAINTERS = {
  atlas: atlasPicture,
  difference: differencePicture,
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
  const { width, height, changes } = stackAt(Number(stackIndex)).atlas;
  const colors = (changes ? changePixelsOf : pixelsOf)(/** @type {Mode} */ (mode));
  return paint(width, height, (pixels) => {
    for (let i = 0; i < pixels.length; i++) pixels[i] = colors[steps[i]];
  });
}

/** @param {string[]} address */
function headPicture([stackIndex, layer, headIndex, scaleName, ceiling, hidingText, modeName]) {
  const head = headNow(Number(stackIndex), Number(layer), Number(headIndex));
  if (!head) return null;
  const mode = /** @type {Mode} */ (modeName);
  const scale = /** @type {Scale} */ (scaleName);
  const hiding = Number(hidingText);
  const colorOf = colorScale(pixelsOf(mode), scale);
  const cells = paintCells(head.keys, head.queries, (query) => {
    const most = scale === "row" ? head.maximum(query, hiding) || 1 : Number(ceiling);
    return (key) => colorOf(head.shown(query, key, hiding) / most);
  });
  const place = { stack: Number(stackIndex), layer: Number(layer), head: Number(headIndex) };
  const none = noneIn(head, place, hiding);
  return none ? hatched(cells, hatchPixels(mode), none) : cells;
}

/**
 * What a second head gives more or less than a first one, where both have weights.
 * @param {string[]} address
 */
function differencePicture(address) {
  const [first, second] = [address.slice(0, 3), address.slice(3, 6)].map(
    ([stack, layer, head]) => ({
      stack: Number(stack),
      layer: Number(layer),
      head: Number(head),
    }),
  );
  const difference = differenceNow(first, second);
  if (!difference) return null;
  const [scaleName, ceiling, hidingText, modeName] = address.slice(6);
  const mode = /** @type {Mode} */ (modeName);
  const scale = /** @type {Scale} */ (scaleName);
  const hiding = Number(hidingText);
  const colors = changePixelsOf(mode);
  const cells = paintCells(difference.keys, difference.queries, (query) => {
    const most = scale === "row" ? difference.maximum(query, hiding) || 1 : Number(ceiling);
    return (key) => {
      const change = difference.shown(query, key, hiding);
      const steps = Math.round(STEPS_OF_CHANGE * shadeOf(scale, Math.abs(change) / most));
      return colors[NO_CHANGE + Math.sign(change) * steps];
    };
  });
  const none = difference.none(hiding);
  return none ? hatched(cells, hatchPixels(mode), none) : cells;
}

/**
 * A map in the colors of weights, or over a picture in one color that is clear where there is none.
 * @param {string[]} address
 */
function mapPicture([id, scale, modeName]) {
  const map = mapNamed(id);
  if (!map) return null;
  const mode = /** @type {Mode} */ (modeName);
  const over = map.picture !== null;
  const colors = over ? Uint32Array.from({ length: 256 }, (_, i) => heatPixel(i)) : pixelsOf(mode);
  const colorOf = colorScale(colors, /** @type {Scale} */ (scale));
  const { columns, rows, values, low, high, allowed } = map;
  const cells = paintCells(
    columns,
    rows,
    (row) => (column) => colorOf((values[row * columns + column] - low) / (high - low)),
  );
  if (!allowed) return cells;
  const hatch = hatchPixels(mode, over ? 0.7 : 1);
  return hatched(cells, hatch, (row) => (column) => !allowed[row * columns + column]);
}

/** Steps of the table that turns weights into colors; finer than the 256 colors at the pale end. */
const TABLE = 4096;

/**
 * @param {Uint32Array} colors
 * @param {Scale} scale
 * @returns {(share: number) => number}
 */
function colorScale(colors, scale) {
  // The table runs over the square root of the weight, where all scales are smooth.
  const table = Uint32Array.from(
    { length: TABLE + 1 },
    (_, step) => colors[Math.round(255 * shadeOf(scale, (step / TABLE) ** 2))],
  );
  return (share) => table[Math.round(TABLE * Math.sqrt(Math.max(0, Math.min(1, share))))];
}

/** Sides of a cell with a hatch and of a picture with hatches, at most, in pixels. */
const HATCHED_CELL = 16;
const HATCHED_PICTURE = 1024;

/**
 * Cells in their colors.
 * @param {number} columns
 * @param {number} rows
 * @param {(row: number) => (column: number) => number} colorsOf
 */
function paintCells(columns, rows, colorsOf) {
  return paint(columns, rows, (pixels) => {
    for (let row = 0; row < rows; row++) {
      const colorOf = colorsOf(row);
      for (let column = 0; column < columns; column++)
        pixels[row * columns + column] = colorOf(column);
    }
  });
}

/**
 * A picture of cells, larger, with a hatch where there is no weight.
 * @param {HTMLCanvasElement} cells
 * @param {[number, number]} hatch colors between its lines and on them
 * @param {Cells} areNone
 */
function hatched(cells, hatch, areNone) {
  const { width: columns, height: rows } = cells;
  const room = Math.floor(HATCHED_PICTURE / Math.max(columns, rows));
  const side = Math.max(1, Math.min(HATCHED_CELL, room));
  const width = columns * side;
  const lines = paint(width, rows * side, (pixels) => {
    for (let row = 0; row < rows; row++) {
      const isNone = areNone(row);
      for (let column = 0; column < columns; column++) {
        if (!isNone(column)) continue;
        for (let y = row * side; y < (row + 1) * side; y++)
          for (let x = column * side; x < (column + 1) * side; x++)
            pixels[y * width + x] = hatch[(x + y) % HATCHED_CELL < HATCHED_CELL / 4 ? 1 : 0];
      }
    }
  });
  const context = /** @type {CanvasRenderingContext2D} */ (lines.getContext("2d"));
  context.globalCompositeOperation = "destination-over";
  context.imageSmoothingEnabled = false;
  context.drawImage(cells, 0, 0, width, rows * side);
  return lines;
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

/** How weights become colors, and what the legend says of it. */

/** @typedef {import("./types").Scale} Scale */
/** @typedef {{ legendTicks: number[], legendLabels: string[], legendTitle: string }} Legend */

/** Powers of ten from the darkest to the palest color of the logarithmic scale. */
const DECADES = 4;

/**
 * How dark a weight is, from 0 to 1.
 * @param {Scale} scale
 * @param {number} share of the weight at which the colors end: on the scale of rows, that of the
 *   row's largest
 */
export function shadeOf(scale, share) {
  if (!(share > 0)) return 0;
  const most = Math.min(1, share);
  if (scale === "sqrt") return Math.sqrt(most);
  return scale === "log" ? Math.max(0, 1 + Math.log10(most) / DECADES) : most;
}

/** @type {Map<string, Legend>} */
const legends = new Map();

/**
 * Shades that the legend marks, and their weights in words. The same object for the same question,
 * so that charts are not told again.
 * @param {Scale} scale
 * @param {number} low where the colors begin
 * @param {number} high where they end
 * @param {string} title
 */
export function legendOf(scale, low, high, title) {
  const key = [scale, low, high, title].join();
  let legend = legends.get(key);
  if (!legend) {
    const ticks = scale === "row" ? ofRow() : scale === "log" ? powers(high) : steps(low, high);
    const shades = ticks.map(([weight]) => shadeOf(scale, (weight - low) / (high - low)));
    legend = {
      legendTicks: scale === "row" ? ticks.map(([share]) => share) : shades,
      legendLabels: ticks.map(([, text]) => text),
      legendTitle: scale === "row" ? "of row’s largest" : title,
    };
    legends.set(key, legend);
  }
  return legend;
}

/**
 * The legend of differences, which runs as far to less as to more.
 * @param {Scale} scale
 * @param {number} high the largest difference
 * @param {string} title
 * @returns {Legend}
 */
export function changeLegendOf(scale, high, title) {
  const key = ["change", scale, high, title].join();
  let legend = legends.get(key);
  if (!legend) {
    /** @type {Ticks} */
    const half =
      scale === "row" ? ofRow().slice(1) : scale === "log" ? powers(high) : [[high, text(high)]];
    const shades = half.map(([size]) => 0.5 * shadeOf(scale, scale === "row" ? size : size / high));
    legend = {
      legendTicks: [
        ...shades.map((shade) => 0.5 - shade).reverse(),
        0.5,
        ...shades.map((s) => 0.5 + s),
      ],
      legendLabels: [
        ...half.map(([, text]) => `−${text}`).reverse(),
        "0",
        ...half.map(([, text]) => `+${text}`),
      ],
      legendTitle: title,
    };
    legends.set(key, legend);
  }
  return legend;
}

/** @typedef {[number, string][]} Ticks weights and their texts */

/** @returns {Ticks} */
const ofRow = () => [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${100 * share}%`]);

/**
 * Powers of ten. What is weaker than the palest color can tell is as pale as that.
 * @param {number} high
 * @returns {Ticks}
 */
function powers(high) {
  const least = high * 10 ** -DECADES;
  /** @type {Ticks} */
  const ticks = [[least, `≤${least.toExponential(0)}`]];
  for (let power = Math.floor(Math.log10(least)) + 1; 10 ** power <= high * 1.001; power++)
    if (10 ** power > least * 1.5) ticks.push([10 ** power, text(10 ** power)]);
  return ticks;
}

/**
 * Round numbers, with a small one for scales that spread the pale end.
 * @param {number} low
 * @param {number} high
 * @returns {Ticks}
 */
function steps(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const digit = [1, 2, 5, 10].find((each) => each * power >= rough * 0.999) ?? 10;
  const step = digit * power;
  const weights = [];
  for (let count = Math.ceil(low / step - 1e-6); count * step <= high * (1 + 1e-6); count++)
    weights.push(count * step);
  if (low === 0) weights.splice(1, 0, step / (digit === 2 ? 4 : 5));
  return weights.map((weight) => [weight, text(weight)]);
}

/** @param {number} weight */
const text = (weight) => String(Number(weight.toPrecision(2)));

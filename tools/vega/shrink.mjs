/**
 * Leaves out of the bundle what a report never reaches but tree shaking cannot prove dead.
 *
 * Each rule fails the build when the package no longer looks as expected, so that an upgrade
 * can never quietly bring the weight back or change a behavior.
 */
import { readFile } from "node:fs/promises";

/**
 * Maps: vega-functions and vega-loader mention these, but call them only for a map.
 *
 * @type {Record<string, string[]>}
 */
const ABSENT = {
  "d3-geo": ["geoArea", "geoBounds", "geoCentroid"],
  "topojson-client": ["feature", "mesh"],
};

/** The only color schemes that vega-scale takes from d3, which offers many more. */
const SCHEMES = [
  "schemeAccent",
  "schemeCategory10",
  "schemeDark2",
  "schemeObservable10",
  "schemePaired",
  "schemePastel1",
  "schemePastel2",
  "schemeSet1",
  "schemeSet2",
  "schemeSet3",
];

/** Eleven kilobytes of character ranges, which regular expressions now know by name. */
const IDENTIFIER_CLASSES = {
  RegexNonAsciiIdentifierStart: "/[\\p{ID_Start}]/u",
  RegexNonAsciiIdentifierPart: "/[\\p{ID_Continue}\\u200C\\u200D]/u",
};

/** @param {string} name */
function absentModule(name) {
  const lines = ABSENT[name].map(
    (part) => `export function ${part}() { throw Error("${part}: maps are not in this Vega"); }`,
  );
  return lines.join("\n");
}

async function schemesModule() {
  const chromatic = await import("d3-scale-chromatic");
  const lines = SCHEMES.map((name) => {
    const colors = chromatic[name];
    if (!Array.isArray(colors)) throw new Error(`d3-scale-chromatic has no array ${name}`);
    return `export const ${name} = ${JSON.stringify(colors)};`;
  });
  return lines.join("\n");
}

/** @param {string} source */
function namedCharacterClasses(source) {
  for (const [name, pattern] of Object.entries(IDENTIFIER_CLASSES)) {
    const definition = new RegExp(`\\b${name} = new RegExp\\('\\[[^']+\\]'\\)`, "g");
    if (source.match(definition)?.length !== 1) {
      throw new Error(`vega-expression no longer defines ${name} as a list of ranges`);
    }
    source = source.replace(definition, () => `${name} = ${pattern}`);
  }
  return source;
}

/** @type {import("esbuild").Plugin} */
export const shrink = {
  name: "shrink",
  setup(build) {
    build.onResolve({ filter: /^(d3-geo|topojson-client)$/ }, ({ path }) => ({
      path,
      namespace: "absent",
    }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, ({ path }) => ({
      contents: absentModule(path),
    }));
    build.onLoad({ filter: /[\\/]d3-scale-chromatic[\\/].*\.m?js$/ }, async () => ({
      contents: await schemesModule(),
    }));
    build.onLoad({ filter: /[\\/]vega-expression\.js$/ }, async ({ path }) => ({
      contents: namedCharacterClasses(await readFile(path, "utf8")),
    }));
  },
};

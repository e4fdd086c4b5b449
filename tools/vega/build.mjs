/** Bundles the slim Vega, with the licenses of everything that is in it and a manifest. */
import { build } from "esbuild";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { BUNDLE, TOOLS, ascii, json, sha256 } from "../outputs.mjs";
import { licenseTexts, packagesIn } from "./licenses.mjs";
import { shrink } from "./shrink.mjs";

/**
 * Asks the built bundle itself, not its sources, which transforms it knows.
 *
 * @param {string} code
 * @returns {string[]}
 */
function transformsIn(code) {
  const page = createContext({ setInterval, setTimeout });
  runInContext(code, page);
  return Object.keys(page.vega.transforms).sort();
}

export async function buildVega() {
  const result = await build({
    ...BUNDLE,
    entryPoints: [join(TOOLS, "vega/entry.js")],
    outfile: "vega.js",
    plugins: [shrink],
  });
  const packages = await packagesIn(Object.keys(result.metafile.inputs), TOOLS);
  const licenses = licenseTexts(packages);
  // A report is a copy of this file in a stranger's hands, so the notices travel inside it.
  const code = `/*!\n${licenses}*/\n${ascii(result.outputFiles[0].text)}`;
  const manifest = {
    sha256: sha256(code),
    packages: packages.flatMap(({ name, versions }) => versions.map((v) => `${name}@${v}`)),
    transforms: transformsIn(code),
  };
  return {
    "static/vega/vega.js": code,
    "static/vega/LICENSES.txt": licenses,
    "static/vega/manifest.json": json(manifest),
  };
}

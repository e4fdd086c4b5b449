/** Bundles the hand-written modules of the page into one script. */
import { build, context } from "esbuild";
import { readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { BUNDLE, TEMPLATES, TOOLS, ascii, json, sha256, sizes, write } from "../outputs.mjs";

/** @satisfies {import("esbuild").BuildOptions} */
const OPTIONS = {
  ...BUNDLE,
  entryPoints: [join(TEMPLATES, "page/main.js")],
  outfile: "page.js",
};

/**
 * Hashes of the sources, so that a stale bundle is found without Node.
 *
 * @param {string[]} inputs Paths relative to tools/, as esbuild writes them.
 */
async function sourceHashes(inputs) {
  const hashes = await Promise.all(
    inputs.map(async (input) => {
      const path = resolve(TOOLS, input);
      const text = (await readFile(path, "utf8")).replaceAll("\r\n", "\n");
      return [relative(TEMPLATES, path).replaceAll("\\", "/"), sha256(text)];
    }),
  );
  return Object.fromEntries(hashes.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @param {import("esbuild").BuildResult<typeof OPTIONS>} result */
async function outputsOf(result) {
  const code = ascii(result.outputFiles[0].text);
  const sources = await sourceHashes(Object.keys(result.metafile.inputs));
  return {
    "static/page.js": code,
    "static/page.manifest.json": json({ sha256: sha256(code), sources }),
  };
}

export async function buildPage() {
  return outputsOf(await build(OPTIONS));
}

/** Builds again after every change of a source, until interrupted. */
export async function watchPage() {
  /** @type {import("esbuild").Plugin} */
  const rewrite = {
    name: "rewrite",
    setup({ onEnd }) {
      onEnd(async (result) => {
        if (result.errors.length > 0) return;
        const built = /** @type {import("esbuild").BuildResult<typeof OPTIONS>} */ (result);
        const outputs = await outputsOf(built);
        await write(outputs);
        console.log(sizes(outputs));
      });
    },
  };
  const watched = await context({ ...OPTIONS, logLevel: "warning", plugins: [rewrite] });
  await watched.watch();
}

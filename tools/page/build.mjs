/** Bundles the hand-written modules of each kind of page into one script. */
import { build, context } from "esbuild";
import { readFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { BUNDLE, TEMPLATES, TOOLS, ascii, json, sha256, sizes, write } from "../outputs.mjs";

/** The scripts and the modules that start them: a report, and a comparison of two recordings. */
const ENTRIES = { page: "page/main.js", comparison: "page/comparing.js" };

/** @satisfies {import("esbuild").BuildOptions} */
const OPTIONS = {
  ...BUNDLE,
  entryPoints: Object.entries(ENTRIES).map(([out, entry]) => ({ in: join(TEMPLATES, entry), out })),
  outdir: ".",
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
  const scripts = result.outputFiles.map(({ path, text }) => [
    `static/${basename(path)}`,
    ascii(text),
  ]);
  const hashes = scripts.map(([name, code]) => [basename(name), sha256(code)]);
  const sources = await sourceHashes(Object.keys(result.metafile.inputs));
  return {
    ...Object.fromEntries(scripts),
    "static/page.manifest.json": json({ sha256: Object.fromEntries(hashes.sort()), sources }),
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

/** Finds the npm packages a bundle is made of, and their license texts. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * @typedef {object} BundledPackage
 * @property {string} name
 * @property {string[]} versions
 * @property {string} license SPDX name, as the package says.
 * @property {string} text The license file, in full.
 */

const PACKAGE_FOLDER = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;

/** @param {string} folder */
async function licenseText(folder) {
  const name = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
  if (!name) throw new Error(`${folder} is in the bundle but has no license file`);
  const text = await readFile(join(folder, name), "utf8");
  return text.replaceAll("\r\n", "\n").trim();
}

/**
 * The packages behind the inputs of an esbuild metafile, by name.
 *
 * @param {string[]} inputs Paths as esbuild writes them, with forward slashes.
 * @param {string} root The folder that the paths are relative to.
 * @returns {Promise<BundledPackage[]>}
 */
export async function packagesIn(inputs, root) {
  const folders = new Set(inputs.flatMap((path) => path.match(PACKAGE_FOLDER) ?? []));
  /** @type {Map<string, BundledPackage>} */
  const packages = new Map();
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(
      await readFile(join(root, folder, "package.json"), "utf8"),
    );
    const versions = [...(packages.get(name)?.versions ?? []), version].sort();
    const text = await licenseText(join(root, folder));
    packages.set(name, { name, versions, license, text });
  }
  return [...packages.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * One text with every license once, under the names of the packages that it covers.
 *
 * @param {BundledPackage[]} packages
 */
export function licenseTexts(packages) {
  const parts = [...new Set(packages.map(({ text }) => text))].map((text) => {
    const group = packages.filter((bundled) => bundled.text === text);
    const names = group.map(({ name, versions }) => `${name} ${versions.join(", ")}`);
    return `${names.join("; ")} (${group[0].license})\n\n${text}\n`;
  });
  const head = "vega.js is a bundle of these packages, each under the license that follows it.\n";
  return [head, ...parts].join(`\n${"-".repeat(80)}\n\n`);
}

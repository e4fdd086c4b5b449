/** Where built files go, and how they are written, compared and described. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";

/** @typedef {Record<string, string>} Outputs Text of each built file, by path below templates/. */

export const TOOLS = fileURLToPath(new URL(".", import.meta.url));
export const TEMPLATES = fileURLToPath(new URL("../templates/", import.meta.url));

/**
 * Settings that both bundles share: plain ASCII, so that any embedding keeps them intact.
 *
 * @satisfies {import("esbuild").BuildOptions}
 */
export const BUNDLE = {
  absWorkingDir: TOOLS,
  bundle: true,
  charset: "ascii",
  format: "iife",
  legalComments: "none",
  metafile: true,
  minify: true,
  target: "es2022",
  write: false,
};

/**
 * Escapes what esbuild leaves: it writes strings in ASCII, but regular expressions as they are.
 *
 * @param {string} code
 */
export function ascii(code) {
  return code.replace(
    /[^\0-\x7f]/g,
    (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** @param {string} text */
export function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}

/** @param {object} value */
export function json(value) {
  return JSON.stringify(value, null, 2) + "\n";
}

/** @param {Outputs} outputs */
export async function write(outputs) {
  for (const [name, text] of Object.entries(outputs)) {
    const path = join(TEMPLATES, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, "utf8");
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
export async function isCurrent(name, text) {
  const current = await readFile(join(TEMPLATES, name), "utf8").catch(() => null);
  return current === text;
}

/**
 * The size of each built script, and its size as a report carries it.
 *
 * @param {Outputs} outputs
 */
export function sizes(outputs) {
  const scripts = Object.entries(outputs).filter(([name]) => name.endsWith(".js"));
  const lines = scripts.map(([name, code]) => {
    const packed = 4 * Math.ceil(deflateSync(code, { level: 9 }).length / 3);
    return `${name}: ${code.length} bytes, ${packed} characters packed`;
  });
  return lines.join("\n");
}

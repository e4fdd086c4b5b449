/**
 * Builds what the report's page runs, into ../templates/static.
 *
 *     node build.mjs [vega|page|all] [--check|--watch]
 *
 * The output is committed: nobody needs Node to install attnreport or to write a report.
 * `--check` writes nothing and fails if the committed output is not what the sources give.
 */
import { isCurrent, sizes, write } from "./outputs.mjs";
import { buildPage, watchPage } from "./page/build.mjs";
import { buildVega } from "./vega/build.mjs";

const USAGE = "usage: node build.mjs [vega|page|all] [--check|--watch]   (--watch: page only)";

/** @type {Record<string, (() => Promise<import("./outputs.mjs").Outputs>)[]>} */
const TARGETS = {
  vega: [buildVega],
  page: [buildPage],
  all: [buildVega, buildPage],
};

/** @param {(() => Promise<import("./outputs.mjs").Outputs>)[]} builds */
async function check(builds) {
  for (const build of builds) {
    for (const [name, text] of Object.entries(await build())) {
      if (await isCurrent(name, text)) continue;
      console.error(`${name} is stale: run \`node tools/build.mjs\` and commit what it writes.`);
      process.exitCode = 1;
    }
  }
}

/** @param {string[]} args */
async function main(args) {
  const flags = args.filter((arg) => arg.startsWith("--"));
  const [target = "all", ...rest] = args.filter((arg) => !arg.startsWith("--"));
  const builds = TARGETS[target];
  const flag = flags.join(" ");
  if (!builds || rest.length > 0) {
    usage();
  } else if (flag === "--watch" && target !== "vega") {
    await watchPage();
  } else if (flag === "--check") {
    await check(builds);
  } else if (flag === "") {
    for (const build of builds) {
      const outputs = await build();
      await write(outputs);
      console.log(sizes(outputs));
    }
  } else {
    usage();
  }
}

function usage() {
  console.error(USAGE);
  process.exitCode = 2;
}

await main(process.argv.slice(2));

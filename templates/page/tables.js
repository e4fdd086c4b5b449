/** Tables that sort by a click on their heading, and follow what is chosen. */

import { element, find, findAll } from "./dom.js";
import { linkToHead } from "./link.js";
import { headsOf, manifest, patternTitle, stackAt, statisticsOf } from "./manifest.js";
import { choose, chosenState } from "./state.js";

export function listenToTables() {
  for (const table of findAll("table.sortable")) {
    table.addEventListener("click", (event) => {
      const target = event.target instanceof Element ? event.target : null;
      const heading = target?.closest("th");
      if (heading && target?.closest("button")) sortBy(table, heading);
    });
  }
  document.querySelector("#heads-table")?.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link) return;
    event.preventDefault();
    const [layer, head] = (link.dataset.place ?? "").split(" ").map(Number);
    choose({ layer, head });
    find("#one").scrollIntoView();
  });
}

/**
 * @param {HTMLElement} table
 * @param {HTMLTableCellElement} heading
 */
function sortBy(table, heading) {
  const column = heading.cellIndex;
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  const body = find("tbody", table);
  const rows = /** @type {HTMLTableRowElement[]} */ (findAll("tr", body));
  const valueOf = (/** @type {HTMLTableRowElement} */ row) =>
    row.cells[column].dataset.value ?? row.cells[column].textContent ?? "";
  const sign = ascending ? 1 : -1;
  rows.sort((a, b) => sign * compare(valueOf(a), valueOf(b)));
  body.append(...rows);
  for (const other of findAll("th", table)) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

/**
 * Numbers by value, texts by letters.
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  const difference = parseFloat(a) - parseFloat(b);
  return Number.isNaN(difference) ? a.localeCompare(b) : difference;
}

let listed = manifest.start.stack;

/** Lists the heads of the chosen stack; those of the first stack are in the page already. */
export function listHeads() {
  const { stack: index } = chosenState();
  if (listed === index) return;
  listed = index;
  const stack = stackAt(index);
  const columns = columnsOf(stack);
  nameColumns(columns);
  const rows = headsOf(stack).map(({ layer, head }) => {
    const statistics = statisticsOf(stack, layer, head);
    const { facts } = statistics;
    const number = stack.layerNumbers[layer];
    const href = linkToHead(index, layer, head);
    const link = element("a", { href, "data-place": `${layer} ${head}` }, `L${number} H${head}`);
    const place = element("td", { "data-value": number * 1e6 + head }, link);
    const values = new Map(facts);
    return element(
      "tr",
      {},
      place,
      element("td", { class: "l" }, patternTitle(statistics)),
      ...columns.map((name) => element("td", {}, values.get(name) ?? "–")),
    );
  });
  find("#heads-table tbody").replaceChildren(...rows);
}

/**
 * What is known of a stack's heads; a head whose rows are all masked has fewer facts than others.
 * @param {import("./types").Stack} stack
 */
function columnsOf({ statistics }) {
  const most = Math.max(...statistics.map(({ facts }) => facts.length));
  const fullest = statistics.find(({ facts }) => facts.length === most);
  return (fullest?.facts ?? []).map(([name]) => name);
}

/** @param {string[]} names */
function nameColumns(names) {
  const row = find("#heads-table thead tr");
  const [place, pattern] = findAll("th", row);
  for (const heading of [place, pattern]) heading.removeAttribute("aria-sort");
  const headings = names.map((name) =>
    element("th", { scope: "col" }, element("button", { type: "button" }, name)),
  );
  row.replaceChildren(place, pattern, ...headings);
}

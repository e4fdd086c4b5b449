/** Which heads and examples are asked for and how they are compared, as the end of a link says. */

/** @typedef {import("./types").State} State */

/** What of the state is a plain name. */
const NAMES = /** @type {const} */ (["pattern", "order", "across", "up", "find", "sort"]);

/**
 * The end of a link; empty where nothing is asked for.
 * @param {Readonly<State>} state
 */
export function askOf(state) {
  const asked = new URLSearchParams();
  for (const name of NAMES) if (state[name]) asked.set(name, state[name]);
  if (state.view !== "difference") asked.set("view", state.view);
  if (state.ascending) asked.set("ascending", "");
  for (const [name, [least, most]] of Object.entries(state.limits))
    asked.append("limit", [name, bound(least), bound(most)].join(":"));
  const text = asked.toString();
  return text && `?${text}`;
}

/** @param {number} value */
const bound = (value) => (Number.isFinite(value) ? value : "");

/**
 * What the end of a link asks for. A name that the report does not know is asked for in vain.
 * @param {string} text
 * @returns {Pick<State, (typeof NAMES)[number] | "ascending" | "limits" | "view">}
 */
export function askedIn(text) {
  const asked = new URLSearchParams(text);
  const limits = asked.getAll("limit").flatMap((limit) => {
    const [name, ...ends] = limit.split(":");
    const [least, most] = [numberOr(ends[0], -Infinity), numberOr(ends[1], Infinity)];
    return Number.isFinite(least) || Number.isFinite(most) ? [[name, [least, most]]] : [];
  });
  const [pattern, order, across, up, find, sort] = NAMES.map((name) => asked.get(name) ?? "");
  return {
    ...{ pattern, order, across, up, find, sort },
    view:
      asked.get("view") === "first"
        ? "first"
        : asked.get("view") === "second"
          ? "second"
          : "difference",
    ascending: asked.has("ascending"),
    limits: Object.fromEntries(limits),
  };
}

/**
 * @param {string | undefined} text
 * @param {number} otherwise
 */
const numberOr = (text, otherwise) =>
  text && Number.isFinite(Number(text)) ? Number(text) : otherwise;

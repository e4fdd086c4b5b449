/** What Python writes into the page and every module reads. See attnreport/report/page_data.py. */

export interface Manifest {
  encoding: "float32" | "u16" | "u8";
  examples: Example[];
  stacks: Stack[];
  /** Everything that was checked of some map. */
  checks: Check[];
  ramps: { light: string[]; dark: string[] };
  start: { stack: number; layer: number; head: number; q: number; k: number };
}

export interface Example {
  name: string;
  /** Its stacks, one per attention group. */
  stacks: number[];
}

/** The layers of one attention group of one example; all share query and key positions. */
export interface Stack {
  example: number;
  group: string;
  kind: "self" | "cross" | "pooling" | "gate" | "router" | "memory";
  /** The parts of the page that make sense for it; see attnreport/report/conditions.py. */
  conditions: string[];
  /** Where colors and the steps of 8 and 16 bits end: 1, or a larger weight if there is one. */
  largest: number;
  /** Number of heads of each layer. */
  heads: number[];
  names: string[];
  /**
   * Number of each layer in its model, which is what a reader is told. Everything else here and in
   * the state calls a layer by its place in the stack.
   */
  layerNumbers: number[];
  query: Axis;
  /** Null when keys are the same positions as queries. */
  key: Axis | null;
  firstBlock: number;
  headsPerBlock: number;
  atlas: { id: string; width: number; height: number };
  /** Per layer, its mask block, or null. `heads` is 1 when all heads share the mask. */
  masks: ({ id: string; heads: number } | null)[];
  /** Per layer, the pairs [query, key] that a reference alignment links, or null. */
  reference: ([number, number][] | null)[];
  /** Per layer, the numbers of what was checked of it, among those of the manifest. */
  checks: number[][];
  /** Which scatter chart fits: heads of self-attention differ in distance, others in confidence. */
  scatter: "scatter-distance" | "scatter-confidence";
  /** Where to look first. */
  start: { layer: number; head: number; q: number; k: number };
  /** Statistics of each head, layer by layer. */
  statistics: Statistics[];
}

/**
 * What was checked of a map: the outcome, empty where nothing was judged; what was checked, the
 * value that was found and a sentence about it, of which the last two may be empty.
 */
export type Check = [outcome: "held" | "failed" | "guess" | "", string, string, string];

export interface Axis {
  kind: string;
  /** As they went into the model; anything may stand in them. */
  labels: string[];
  /** By position, what charts draw where it is not the label: every character can be seen. */
  drawn: Record<number, string>;
  /** By position, what is read in sentences, also without the marks of tokenizers. */
  read: Record<number, string>;
  special: number[];
  /** Positions of each word, in reading order. */
  words: number[][];
}

export interface Statistics {
  /** Mean over queries, in bits. */
  entropy: number;
  pattern: string;
  x: number;
  /** Facts in words and numbers, ready to show. */
  facts: [string, string][];
  /** Where the color scale of a long text ends. */
  peak: number;
}

export interface State {
  stack: number;
  layer: number;
  head: number;
  q: number;
  k: number;
  exponent: number;
  hidden: boolean;
}

/** One line of a tooltip: a label and its value. */
export type Fact = [string, string];

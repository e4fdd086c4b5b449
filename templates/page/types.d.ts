/** What Python writes into the page and every module reads. See attnreport/report/page_data.py. */

export interface Manifest {
  encoding: "float32" | "u16" | "u8";
  examples: Example[];
  stacks: Stack[];
  pictures: { width: number; height: number; channels: number }[];
  confusion: { labels: string[]; counts: number[][] } | null;
  training: { panels: Curve[][]; chosen: number | null } | null;
  deletion: Deletion | null;
  /** Everything that was checked of some map. */
  checks: Check[];
  /** Unit and meaning of each statistic, and meaning of each pattern that occurs. */
  glossary: {
    statistics: Record<string, [unit: Unit, meaning: string]>;
    patterns: Record<string, string>;
  };
  ramps: Record<"light" | "dark" | "lightChange" | "darkChange", string[]>;
  start: { stack: number; layer: number; head: number; q: number; k: number };
}

export interface Example {
  name: string;
  /** Its stacks, one per attention group. */
  stacks: number[];
  /** Number of the picture that went in, if it is one. */
  picture: number | null;
  /** What it should be, in words; empty if that is not known. */
  class: string;
  /** What was written token by token, if it was. */
  generation: Generation | null;
  /** Null where the output or the target is not known. */
  right: boolean | null;
  /** Numbers of the classes, or -1. */
  target: number;
  output: number;
}

/** The tokens that a model wrote, and what is known of each; nothing of none where it is not known. */
export interface Generation {
  /** As charts draw them, and as they are read. */
  drawn: string[];
  read: string[];
  /** Markers, such as that of the end. */
  special: number[];
  probabilities: number[];
  /** Of the distributions that they were chosen from, in bits. */
  entropies: number[];
}

export interface Curve {
  name: string;
  steps: number[];
  /** Null where it was no finite number. */
  values: (number | null)[];
}

/** How a score falls as parts of the inputs are taken away, order by order. */
export interface Deletion {
  score: string;
  positions: string;
  shares: number[];
  /** The least and greatest score at each share, of orders that were drawn several times. */
  curves: { name: string; scores: number[]; spread: [number, number][] }[];
}

/** The layers of one attention group of one example; all share query and key positions. */
export interface Stack {
  example: number;
  group: string;
  kind: "self" | "cross" | "pooling" | "gate" | "router" | "memory" | "activation";
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
  /** The query whose row wrote the first token of the example; null where rows wrote none. */
  firstStep: number | null;
  /** Where among the keys that token stands; null if what was written is not looked at. */
  writtenAt: number | null;
  query: Axis;
  /** Null when keys are the same positions as queries. */
  key: Axis | null;
  /** Numbers of the pictures that queries and keys are cells of. */
  pictures: [number | null, number | null];
  firstBlock: number;
  headsPerBlock: number;
  /** Its thumbnails: of weights, or of how they changed to the stack that it is compared with. */
  atlas: { id: string; width: number; height: number; changes?: true };
  /** Per layer, its mask block, or null. `heads` is 1 when all heads share the mask. */
  masks: ({ id: string; heads: number } | null)[];
  /** Per layer, the pairs [query, key] that a reference alignment links, or null. */
  reference: ([number, number][] | null)[];
  /** What the reference links to; empty where it is an alignment. */
  referenceName: string;
  /** Per layer, the numbers of what was checked of it, among those of the manifest. */
  checks: number[][];
  /** Block of what is measured of its heads, and how many bytes are in it. */
  measures: { id: string; size: number };
  /** Where to look first. */
  start: { layer: number; head: number; q: number; k: number };
  /** Statistics of each head, layer by layer. */
  statistics: Statistics[];
  /** Per layer, how to read its queries and keys, or null; missing where the report has none. */
  scoring?: (Scoring | null)[];
  /** Of two recordings that are compared: whether it is of the first (0) or the second (1). */
  side?: 0 | 1;
  /** Then the stack of the other recording, the positions that it lacks, and what changed. */
  other?: number;
  absent?: { query: number[]; key: number[] };
  change?: Change;
  /** Where positions are words, those that each is made of; see words.js. */
  spans?: Spans;
}

/** Queries and keys of a layer; each head has a block. See attnreport/report/scorings.py. */
export interface Scoring {
  id: string;
  features: number;
  /** What the product of query and key was multiplied by; null where logits are given instead. */
  scale: number | null;
  /** What follows them in the block, a number per pair. */
  extra: "" | "bias" | "logits";
  format: "float32" | "float16";
  /** Number format that the weights were computed in. */
  precision: string;
}

/** How a stack differs from the one that it is compared with. */
export interface Change {
  /** For each head, layer by layer, the mean Jensen-Shannon distance of its rows, if it has one. */
  distances: (number | null)[];
  /** The largest difference of two weights. */
  largest: number;
}

export interface Spans {
  query: number[][];
  key: number[][];
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
  /** Positions that are written without a space between them, in reading order. */
  words: number[][];
  /** How many positions each word has, where some have several, and the texts of those. */
  pieces?: number[];
  merged?: Record<number, string>;
  /** Of a grid: its rows and columns, and what stands before its cells. */
  height?: number;
  width?: number;
  leading?: string[];
}

export interface Statistics {
  /** What it is called: the most telling pattern that it shows. */
  pattern: string;
  /** What the pattern is called among these keys, where that differs. */
  title?: string;
  /** Facts in words and numbers, ready to show. */
  facts: [string, string][];
  /** Where the color scale of a long text ends. */
  peak: number;
  /** The keys that are sinks, each with its mean weight, if there are any. */
  sinks?: [number, number][];
}

/** How weights become colors: by square root, in proportion, by logarithm, or row by row. */
export type Scale = "sqrt" | "linear" | "log" | "row";
export type Unit = "bits" | "share" | "positions" | "keys" | "score";

/** A head of a stack, by the place of its layer in the stack. */
export interface HeadPlace {
  layer: number;
  head: number;
}

/** A head of a stack, and which stack it is. */
export interface Place extends HeadPlace {
  stack: number;
}

/** What is measured of the heads of a stack, which count layer by layer. */
export interface HeadMeasures {
  statistics: HeadStatistic[];
  /** For each head those that it shows, the most telling first. */
  patterns: HeadPattern[][];
  /** For each head its nearest ones and their Jensen-Shannon distance, the nearest first. */
  similar: [head: number, distance: number][][];
  /** How many rows were compared for that; 0 if it was not done. */
  compared: number;
  /** What the model loses without each head, in a sentence; empty where it was not measured. */
  needs: string[];
}

export interface HeadStatistic {
  name: string;
  unit: Unit;
  meaning: string;
  /** Of each head; null where it has none. */
  values: (number | null)[];
  /** What even attention would have. */
  chances: (number | null)[];
}

export interface HeadPattern {
  name: string;
  /** Value and chance in a sentence. */
  evidence: string;
  /** In what share of resamples of the rows the head shows it. */
  confidence: number;
  /** How far it is from even attention (0) to the pattern alone (1). */
  clarity: number;
}

export interface State {
  /** What `q` and `k` are positions of: a stack, or one with its pieces merged into words. */
  stack: number;
  layer: number;
  head: number;
  q: number;
  k: number;
  /** The head of the same stack that the chosen one is shown beside, if there is one. */
  beside: HeadPlace | null;
  /** Which of two heads a narrow page shows, or what changed between them. */
  view: "first" | "second" | "difference";
  scale: Scale;
  /** Whether special keys are left out. */
  hidden: boolean;
  /** Whether the sinks of each head are left out. */
  sinks: boolean;
  /** Whether pieces are merged into words, wherever there are some. */
  words: boolean;
  /** Whether views show what the query looks at, or what looks at the key. */
  direction: "from" | "to";
  /** Of the weights over a picture. */
  opacity: number;
  /** Which examples are listed. */
  filter: "all" | "right" | "wrong";
  /** The words that the listed examples have. */
  find: string;
  /** The number that examples are listed in the order of; see examples.js. */
  sort: string;
  /** The chosen cell of the confusion, or -1. */
  target: number;
  output: number;
  /** Which heads are wanted: those with this pattern, if it is not empty, within these limits. */
  pattern: string;
  limits: Record<string, [least: number, most: number]>;
  /** What heads are ordered by: a statistic, `pattern`, or layer by layer if empty. */
  order: string;
  ascending: boolean;
  /** The statistics that the scatter compares; the usual ones if empty. */
  across: string;
  up: string;
}

/** Weights over the cells of a grid, as a map shows them. */
export interface GridMap {
  /** Tells it from all others, in the addresses of its picture and its outline. */
  id: string;
  columns: number;
  rows: number;
  /** Weight of each cell, row by row. */
  values: Float32Array;
  /** Which cells a mask permits; null where it permits all. */
  allowed: boolean[] | null;
  /** Cells that a reference links with the chosen position. */
  linked: boolean[] | null;
  /** Where the colors begin and end, and whether they are always in proportion. */
  low: number;
  high: number;
  linear: boolean;
  picture: number | null;
  /** The chosen cell, or -1. */
  cell: number;
}

/** One line of a tooltip: a label and its value. */
export type Fact = [string, string];

/** The parts of Vega that the page uses, as vega/entry.js hands them out. */

declare namespace vega {
  /** One mark under the pointer. */
  interface Item {
    readonly datum?: Record<string, unknown>;
    readonly mark: { readonly name?: string; readonly marktype: string };
    readonly bounds: { x1: number; y1: number; x2: number; y2: number };
  }

  interface Loader {
    /** Answers the address of a data set: with text, or at once with its rows. */
    load(address: string, options?: object): Promise<unknown>;
    sanitize(address: string, options?: object): Promise<{ href: string }>;
  }

  interface Changeset {
    insert(rows: readonly object[]): Changeset;
    remove(rows: readonly object[] | ((row: any) => boolean)): Changeset;
  }

  type Renderer = "canvas" | "svg" | "none";
  type Listener = (event: any, item: Item | null) => void;
  type SignalListener = (name: string, value: any) => void;
  type TooltipHandler = (handler: unknown, event: MouseEvent, item: Item, value: any) => void;

  interface ViewOptions {
    expr?: typeof expressionInterpreter;
    loader?: Loader;
    renderer?: Renderer;
    container?: Element | string;
    hover?: boolean;
    logLevel?: number;
    tooltip?: TooltipHandler;
  }

  /** What `parse` returns. */
  interface Runtime {
    readonly operators: readonly object[];
  }

  class View {
    constructor(runtime: Runtime, options?: ViewOptions);
    initialize(container: Element | string): this;
    finalize(): this;
    run(): this;
    runAsync(): Promise<this>;
    resize(): this;
    hover(): this;
    container(): HTMLElement | null;
    origin(): [number, number];
    signal(name: string): any;
    signal(name: string, value: unknown): this;
    width(): number;
    width(pixels: number): this;
    height(): number;
    height(pixels: number): this;
    padding(): { left: number; top: number; right: number; bottom: number };
    renderer(name: Renderer): this;
    background(color: string): this;
    description(text: string): this;
    tooltip(handler: TooltipHandler): this;
    scale(name: string): any;
    data(name: string): any[];
    data(name: string, rows: readonly object[]): this;
    change(name: string, changes: Changeset): this;
    addSignalListener(name: string, listener: SignalListener): this;
    removeSignalListener(name: string, listener: SignalListener): this;
    addEventListener(type: string, listener: Listener): this;
    removeEventListener(type: string, listener: Listener): this;
    addResizeListener(listener: (width: number, height: number) => void): this;
    toCanvas(scale?: number): Promise<HTMLCanvasElement>;
    toSVG(scale?: number): Promise<string>;
    toImageURL(type: "png" | "svg", scale?: number): Promise<string>;
  }

  /** Log level: errors and warnings. */
  const Warn: number;

  /** Evaluates expressions without `eval`, which the page's policy forbids. */
  const expressionInterpreter: object;

  /** Transforms in this build, by lower-case name. */
  const transforms: Record<string, unknown>;

  function changeset(): Changeset;
  function expressionFunction(name: string, apply: (...args: any[]) => unknown): void;
  function formats(name: string): unknown;
  function interpolateColors(colors: string[], space?: string): (position: number) => string;
  function loader(options?: object): Loader;
  function parse(spec: object, config?: object | null, options?: { ast?: boolean }): Runtime;
  function scheme(name: string): unknown;
  function scheme(name: string, colors: string[] | ((position: number) => string)): void;
}

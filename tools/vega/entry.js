/**
 * The slim Vega of a report: what Vega-Lite compiles to for statistical charts, with the
 * expression interpreter that lets it run under a policy without `unsafe-eval`, and without
 * maps, force layouts, trees, labels, regression, Voronoi, word clouds and cross filters.
 */
import { Warn, extend } from "vega-util";
import { changeset, transforms } from "vega-dataflow";
import * as dataTransforms from "vega-transforms";
import * as viewTransforms from "vega-view-transforms";
import * as encodeTransforms from "vega-encode";
import { View } from "vega-view";
import { parse } from "vega-parser";
import { formats, loader } from "vega-loader";
import { expressionFunction } from "vega-functions";
import { expressionInterpreter } from "vega-interpreter";
import { interpolateColors, scheme } from "vega-scale";

extend(transforms, dataTransforms, viewTransforms, encodeTransforms);

globalThis.vega = {
  View,
  Warn,
  changeset,
  expressionFunction,
  expressionInterpreter,
  formats,
  interpolateColors,
  loader,
  parse,
  scheme,
  transforms,
};

"""Analyses of functions, and the attention that they find in canonical layout."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from attnreport.capture.program.graph import Graph
from attnreport.capture.recognition.recognizer import Analysis
from attnreport.capture.replay.replay import Probe, replay
from attnreport.capture.roles.layouts import axes_names, canonical_weights, merged
from attnreport.capture.roles.sites import Site
from tests import compiling
from tests.capture.programs.scoring import Found


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a replayed function gives, every attention found in it, and the analysis of it."""

    output: Any
    found: list[Found]
    analysis: Analysis


def graph_of(fn: Callable[..., Any], *args: Any) -> Graph:
    """The graph of a function called with arrays or their shapes, in pytrees."""
    return Graph(jax.make_jaxpr(fn)(*args), labels_of(fn, args))


def labels_of(fn: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """Where in a call each array stands, from the name of its argument."""
    names = list(inspect.signature(fn).parameters)
    names += [f"more{number}" for number in range(len(args) - len(names))]
    return [
        name + jax.tree_util.keystr(path)
        for name, each in zip(names, args, strict=False)
        for path, _ in jax.tree_util.tree_flatten_with_path(each)[0]
    ]


def analysis_of(fn: Callable[..., Any], *args: Any) -> Analysis:
    """The analysis of a function called with arrays or their shapes, in pytrees."""
    return Analysis(graph_of(fn, *args))


def found_in(fn: Callable[..., Any], *args: Any) -> list[Found]:
    """Every attention that is found and proves itself, as the corpus's scoring wants it."""
    return outcome_of(fn, *args).found


def outcome_of(fn: Callable[..., Any], *args: Any) -> Outcome:
    """What a function computes and what is found in it, compiled as one program."""
    closed, shape = jax.make_jaxpr(fn, return_shape=True)(*args)
    analysis = Analysis(Graph(closed, labels_of(fn, args)))
    sites = analysis.sites()
    probes = [
        Probe(f"{number:03d}", site.recipe.addresses, _canonical(site))
        for number, site in enumerate(sites)
    ]
    again = replay(closed, probes)

    def run(leaves: list[Any]) -> Any:
        output, tapped, aux = again(leaves, {})
        return output, [_whole(site, tapped[f"{n:03d}"]) for n, site in enumerate(sites)], aux

    output, weights, aux = compiling.run(run, jax.tree.leaves(args))
    found: list[Found] = []
    for number, site in enumerate(sites):
        array = np.asarray(weights[number], np.float32)
        if _ran(site, aux) and _is_proved(site, array):
            found.append((f"{number} {site.form}", site.kind, axes_names(site.loops), array))
    return Outcome(jax.tree.unflatten(jax.tree.structure(shape), output), found, analysis)


def _whole(site: Site, tapped: Any) -> Any:
    weights = merged(tapped, site.loops)
    return weights if site.assemble is None else site.assemble(weights)


def _canonical(site: Site) -> Callable[..., Any]:
    return lambda *values: canonical_weights(site.recipe.compute(*values), site.layout)


def _ran(site: Site, aux: Any) -> bool:
    """Whether the branch that a site is in was taken; always for one that is in none."""
    for scope in site.weights.scope.enclosing():
        if scope.kind == "branch":
            taken = aux.branches["/".join(map(str, scope.path))]
            if not (np.asarray(taken) == int(str(scope.path[-1]).removeprefix("branch"))).any():
                return False
    return True


def _is_proved(site: Site, weights: np.ndarray) -> bool:
    if site.sums != "to be measured":
        return True
    return weights.min() > -1e-5 and bool(np.abs(weights.sum(-1) - 1).max() < 1e-3)

"""A model and its inputs as pure functions of arrays: all that the rest of capture sees."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np

from attnreport.capture.sown import Sown

Outputs = list[jax.Array]

# Functions that were compiled before a capture must be traced anew inside it, or they would run
# without sowing; and what they sow must not stay in their cache. JAX keeps one cache a context.
_fresh_trace = jax.make_user_context(default_value=0)
_capture_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Program:
    """A model with its inputs, ready to run with and without capture.

    Attributes:
        arrays: Every array that goes in: parameters, state, inputs.
        plain: Arrays to the output's arrays, as the model runs by itself.
        captured: Arrays to the output's arrays, what was sown, and the state of the random
            number generators afterwards.
        reseeded: `arrays` with other random numbers, given the state `captured` returned.
        unheard: Given module paths that sowed, says in a sentence for the reader which attention
            modules of the model did not; empty when none.
        silence: Says why nothing was sown and what to do.
        refusal: What to do when the model runs, but not while it sows.
        examples: Largest length of the leading axis among inputs that have two axes or more; None
            when no input has.
        model: Name of the model.
        framework: Library it is written in.
        versions: Version of each library that runs it.
    """

    arrays: Any
    plain: Callable[[Any], Outputs]
    captured: Callable[[Any], tuple[Outputs, Sown, Any]]
    reseeded: Callable[[Any, Any], Any]
    unheard: Callable[[frozenset[str]], str]
    silence: Callable[[], str]
    refusal: str
    examples: int | None
    model: str
    framework: str
    versions: Mapping[str, str]


def fresh_trace() -> Any:
    """A context in which no function finds its earlier trace, and leaves none for later."""
    return _fresh_trace(next(_capture_numbers))


def array_leaves(tree: Any) -> Outputs:
    """The arrays in an output, in order; anything else in it is left out."""
    return [leaf for leaf in jax.tree.leaves(tree) if is_array(leaf)]


def is_array(value: Any) -> bool:
    """Whether `jax.jit` should trace `value`; Python numbers stay Python numbers."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biufcV"  # V: bfloat16 and the other formats NumPy lacks
    return isinstance(value, jax.Array)


def leading_length(inputs: Iterable[Any]) -> int | None:
    """Largest length of the leading axis among arrays that have two axes or more.

    An input that all examples share, such as positions, has a leading axis of length 1.
    """
    return max((np.shape(value)[0] for value in inputs if np.ndim(value) > 1), default=None)

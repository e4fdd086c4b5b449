"""`with_attention`: from a function to one that gives its attention beside its output."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import Heads, Numbers, Options, OverBudget
from attnreport.capture.extraction.attention import Attention, Captured
from attnreport.capture.extraction.proofs import row_tolerance
from attnreport.capture.failures import INSTEAD, failure_sentence, plain_output
from attnreport.capture.planning.notes import measured_note
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.planning.planned import Plan
from attnreport.capture.program.origin import origin_of
from attnreport.capture.program.trace import Traced, require_values, trace
from attnreport.capture.replay.replay import Aux, replay


def with_attention(
    function: Callable[..., Any],
    *,
    select: str | Sequence[str] | None = None,
    kinds: Sequence[str] = Options.kinds,
    layers: Numbers | None = None,
    heads: Heads | None = None,
    want: Sequence[str] = Options.want,
    reduce: str | None = None,
    budget: int = Options.budget,
    over_budget: OverBudget = Options.over_budget,
    steps: int | None = None,
    strict: bool = False,
) -> Callable[..., tuple[Any, Attention]]:
    """A function that returns `(output, attention)` in place of the output.

    It is a transformation of JAX programs: `function` is traced, every attention in it is found,
    and the program is run with the weights as further results. It can be compiled, mapped and
    differentiated, and used inside a training step; wrap it in `jax.jit` to call it often. NNX
    modules are copied, so counters of random numbers and statistics of the caller's stay.

    Should capture itself fail on a program, the output is still that of the program, and attention
    is empty: its `failure` says why, and so does a `RuntimeWarning`.

    Args:
        function: Any function that JAX can trace, or a model that can be called: plain
            `jax.numpy`, Flax, Equinox, Haiku.
        select: Patterns of names to keep, such as `*layer_3*`; all if left out. A name that
            several attentions have matches all of them.
        kinds: Kinds to keep; routers of mixtures of experts, and memories whose keys and values are
            learned, only if they are named.
        layers: Numbers of the layers to keep; all if left out. They are numbered as in a recording
            of everything, in forward order in each group such as `encoder self-attention`, the
            layers of a loop one by one; `plan_attention` shows them.
        heads: Numbers of the heads to keep, such as `[0, 3]`, or a mapping from patterns of names
            and numbers of layers to such numbers, or to None for all heads:
            `{5: [0, 3], "decoder.*": None}`. What no key matches is left out. Layers of one loop
            are one array, which holds every head that any of them keeps.
        want: What to take of each: `weights`; `logits`, `mask` (True where a query may look) and
            `bias` (what the program adds to the product of queries and keys, in units of the
            logits) with the axes of the weights; `query`, `key`, `value`, `output` in the
            program's own layout; `queries` and `keys` are those vectors as `[*loops, batch, head,
            position, feature]`, heads that share keys each with a copy. What a program does not
            have is left out, and `about.notes` says so.
        reduce: Reduces the weights on the device: `uint8`, `bfloat16`, `head mean`, `top-8`,
            `statistics`, `pooled-64`, with any number in place of 8 and 64.
        budget: Most bytes that may leave the program.
        over_budget: What to do with more than that. `refuse` is an error that says how large it
            would be: results keep the number format that the caller counts on, whatever the size of
            the inputs. `reduce` takes the first that fits of bfloat16, uint8 and the mean over the
            heads, and says so in `attention.notes`.
        steps: How many iterations of a `while` loop to keep, where its condition does not tell.
        strict: Leaves out what is only a guess.

    Returns:
        A function of the same arguments. Its second result maps the name of each attention to
        weights `[*loops, batch, head, query, key]`, its kind, its axes and its proof.

    Raises:
        CaptureError: When the function is called: it cannot be traced, the selection matches
            nothing, or what is kept is over the budget.
    """
    options = Options(
        select=select,
        kinds=kinds,
        layers=layers,
        heads=heads,
        want=want,
        reduce=reduce,
        budget=budget,
        over_budget=over_budget,
        steps=steps,
        strict=strict,
    )

    @functools.wraps(function, updated=())
    def captured(*args: Any, **kwargs: Any) -> tuple[Any, Attention]:
        traced = trace(function, args, kwargs)
        require_values(traced)
        try:
            return run_plan(
                traced, plan_of(traced, options, origin_of(function, args, kwargs)["model"])
            )
        except CaptureError:
            raise
        except Exception as error:
            # If the program itself fails, it does so here again, with its own error.
            output = plain_output(traced)
            reason = failure_sentence(error, INSTEAD)
            warnings.warn(reason, RuntimeWarning, stacklevel=2)
            return output, Attention({}, failure=reason)

    return captured


def plan_attention(
    function: Callable[..., Any], *args: Any, options: Options | None = None, **kwargs: Any
) -> Plan:
    """Every attention of a call, found without running it; prints as a table.

    Args:
        function: As in `with_attention`.
        args: Arguments of the call; arrays may be `jax.ShapeDtypeStruct`.
        options: What would be captured. A plan that is over the budget says so instead of raising.
        kwargs: Keyword arguments of the call.

    Raises:
        CaptureError: The call cannot be traced, the selection matches nothing, or capture itself
            fails on the program.
    """
    traced = trace(function, args, kwargs)
    try:
        return plan_of(traced, options or Options(), origin_of(function, args, kwargs)["model"])
    except CaptureError:
        raise
    except Exception as error:
        raise CaptureError(failure_sentence(error)) from error


def run_plan(traced: Traced, plan: Plan) -> tuple[Any, Attention]:
    """Output and attention of a program that a plan was made for.

    Raises:
        CaptureError: Arguments are only shapes, or the plan is over its budget.
    """
    require_values(traced)
    plan.require_within_budget()
    outputs, attention = jax.jit(program_with_attention(traced, plan))(traced.leaves)
    return jax.tree.unflatten(traced.structure, outputs), attention


def program_with_attention(
    traced: Traced, plan: Plan
) -> Callable[[Sequence[Any]], tuple[list[jax.Array], Attention]]:
    """A program as a function of its flat inputs to its flat outputs and its attention."""
    run = replay(traced.closed, plan.probes(), steps=plan.bounds)

    def program(leaves: Sequence[Any]) -> tuple[list[jax.Array], Attention]:
        outputs, values, aux = run(leaves, {})
        return outputs, collected(plan, values, aux)

    return program


def collected(plan: Plan, values: Mapping[str, Any], aux: Aux) -> Attention:
    """What the probes of a plan gave, as attention."""
    measured = [each.name for each in plan.kept if each.site.sums == "to be measured"]
    # What a kernel does not bear out is NaN already, and one more copy of its weights costs memory.
    unchecked = [each.name for each in plan.kept if each.site.recipe.checked is None]
    captured = {each.name: each.extraction.captured(values, aux, each.about) for each in plan.kept}
    return Attention(
        captured | {n: _as_numbers_tell(captured[n]) for n in measured if n in unchecked},
        notes=(*plan.said, *plan.notes, *measured_note(measured)),
    )


def _as_numbers_tell(captured: Captured) -> Captured:
    """The same without its weights where rows do not sum to one, so that it is no attention."""
    held = captured.proof.row_error.max() <= row_tolerance(captured.about.precision)

    def kept(array: jax.Array) -> jax.Array:
        none = jnp.nan if jnp.issubdtype(array.dtype, jnp.inexact) else 0
        return jnp.where(held, array, jnp.asarray(none, array.dtype))

    return dataclasses.replace(captured, weights=jax.tree.map(kept, captured.weights))

"""`with_attention`: from a function to one that gives its attention beside its output."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from attnreport.capture.attention import Attention, Captured
from attnreport.capture.layouts import merged
from attnreport.capture.loops import MERGED
from attnreport.capture.plan import UNLIMITED, Options, Plan, Planned, plan_of
from attnreport.capture.proofs import proof as prove
from attnreport.capture.reductions import reduction
from attnreport.capture.replay import Aux, replay
from attnreport.capture.trace import Traced, require_values, trace


def with_attention(
    function: Callable[..., Any],
    *,
    select: str | Sequence[str] | None = None,
    kinds: Sequence[str] = Options.kinds,
    want: Sequence[str] = Options.want,
    reduce: str | None = None,
    budget: int = Options.budget,
    steps: int | None = None,
    strict: bool = False,
) -> Callable[..., tuple[Any, Attention]]:
    """A function that returns `(output, attention)` in place of the output.

    It is a transformation of JAX programs: `function` is traced, every attention in it is found,
    and the program is run with the weights as further results. It can be compiled, mapped and
    differentiated, and used inside a training step; wrap it in `jax.jit` to call it often. NNX
    modules are copied, so counters of random numbers and statistics of the caller's stay.

    Args:
        function: Any function that JAX can trace, or a model that can be called: plain
            `jax.numpy`, Flax, Equinox, Haiku.
        select: Patterns of names to keep, such as `*layer_3*`; all if left out.
        kinds: Kinds to keep; routers of mixtures of experts only if they are named.
        want: What to take of each: `weights`, and `logits`, `query`, `key`, `value`, `output`
            in the program's own layout.
        reduce: Reduces the weights on the device: `uint8`, `bfloat16`, `head mean`, `top-8`,
            `statistics`, `pooled-64`.
        budget: Most bytes that may leave the program.
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
        kinds=tuple(kinds),
        want=tuple(want),
        reduce=reduce,
        budget=budget,
        steps=steps,
        strict=strict,
    )

    @functools.wraps(function, updated=())
    def captured(*args: Any, **kwargs: Any) -> tuple[Any, Attention]:
        traced = trace(function, args, kwargs)
        return run_plan(traced, plan_of(traced, options))

    return captured


def plan_attention(
    function: Callable[..., Any], *args: Any, options: Options | None = None, **kwargs: Any
) -> Plan:
    """Every attention of a call, found without running it; prints as a table.

    Args:
        function: As in `with_attention`.
        args: Arguments of the call; arrays may be `jax.ShapeDtypeStruct`.
        options: What would be captured; the size is not limited here.
        kwargs: Keyword arguments of the call.
    """
    chosen = options or Options(budget=UNLIMITED)
    return plan_of(trace(function, args, kwargs), chosen)


def run_plan(traced: Traced, plan: Plan) -> tuple[Any, Attention]:
    """Output and attention of a program that a plan was made for."""
    require_values(traced)
    run = replay(traced.closed, plan.probes(), steps=plan.options.steps)
    outputs, values, aux = jax.jit(run)(traced.leaves, {})
    return jax.tree.unflatten(traced.structure, outputs), collected(plan, values, aux)


def collected(plan: Plan, values: Mapping[str, Any], aux: Aux) -> Attention:
    """What the probes of a plan gave, as attention."""
    return Attention(
        {each.name: _captured(each, values[each.name], aux, plan) for each in plan.kept}
    )


def _captured(planned: Planned, value: Any, aux: Aux, plan: Plan) -> Captured:
    weights, others, proof = value
    loops, assemble = planned.site.loops, planned.site.assemble
    if assemble is not None or any(loop.role in MERGED for loop in loops):
        weights = merged(weights, loops)
        if "allowed" in others:
            others = {**others, "allowed": merged(others["allowed"], loops)}
        if assemble is not None:
            weights = assemble(weights)
            proof = prove(weights, jnp.float32(jnp.nan))
            if plan.options.masks:
                others = {**others, "allowed": weights != 0}
        reduce = reduction(plan.options.reduce)
        for _ in range(weights.ndim - 4):
            reduce = jax.vmap(reduce)
        weights = reduce(weights)
    return Captured(
        weights=weights,
        others=others,
        proof=proof,
        ran=_ran(planned, aux.branches),
        iterations=tuple(
            aux.iterations["/".join(map(str, loop.path))]
            for loop in loops
            if "/".join(map(str, loop.path)) in aux.iterations
        ),
        about=planned.about,
    )


def _ran(planned: Planned, branches: Mapping[str, jax.Array]) -> jax.Array:
    """Whether all branches around an attention were taken, for each iteration of its loops."""
    ran = jnp.array(True)
    for scope in planned.site.weights.scope.enclosing():
        if scope.kind == "branch":
            taken = branches["/".join(map(str, scope.path))]
            here = taken == int(str(scope.path[-1]).removeprefix("branch"))
            ran = jnp.reshape(ran, (*ran.shape, *(1,) * (here.ndim - ran.ndim))) & here
    return ran

"""Compiles without optimization: many times faster, and the programs of tests are small."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax._src import compiler

UNOPTIMIZED = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    # Handing parts to threads takes longer than compiling them.
    "xla_cpu_parallel_codegen_split_count": 1,
}

# Where a later JAX has none, tests only take longer.
_usual_options = getattr(compiler, "get_compile_options", None)


def run(fn: Callable[..., Any], *args: Any) -> Any:
    """The output of a function under jit, compiled without optimization."""
    return jax.jit(fn).lower(*args).compile(_known())(*args)


def optimize(much: bool) -> None:
    """Says how to compile whatever is compiled from now on, by the package and by libraries.

    JAX has no setting for it, only an argument where something is compiled.
    """
    options = _usual_options if much else _unoptimized
    if _usual_options is not None and compiler.get_compile_options is not options:
        _known()
        compiler.get_compile_options = options
        jax.clear_caches()


def _unoptimized(*args: Any, **kwargs: Any) -> Any:
    assert _usual_options is not None
    given = kwargs.get("env_options_overrides") or {}
    return _usual_options(*args, **kwargs | {"env_options_overrides": _known() | given})


@functools.cache
def _known() -> dict[str, Any]:
    """The options that this XLA has."""
    lowered = jax.jit(lambda x: x).lower(0.0)

    def is_known(name: str) -> bool:
        try:
            lowered.compile({name: UNOPTIMIZED[name]})
        except jax.errors.JaxRuntimeError as error:
            if "No such compile option" not in str(error):
                raise
            return False
        return True

    return {name: value for name, value in UNOPTIMIZED.items() if is_known(name)}

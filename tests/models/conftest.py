import jax
import pytest


@pytest.fixture(scope="module")
def compiled_quickly():
    """Models here are tiny, so that compiling well takes longer than running badly."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)

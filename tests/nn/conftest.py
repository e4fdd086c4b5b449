import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def little_time_is_spent_on_compiling():
    """Models here are tiny, so that compiling well takes longer than running badly."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    jax.clear_caches()

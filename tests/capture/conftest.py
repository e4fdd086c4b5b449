import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def no_compiled_programs_are_kept():
    """Thousands of compiled programs would take gigabytes."""
    yield
    jax.clear_caches()

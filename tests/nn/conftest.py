import pytest


@pytest.fixture(scope="module", autouse=True)
def modules_are_tiny(compiled_quickly):
    """Nothing here is about how well XLA optimizes."""

"""How tests compile: quickly, but as for users where the bits of what comes out are compared."""

import re
from pathlib import Path

import pytest
from jax._src import compiler

from tests.compiling import UNOPTIMIZED, optimize


@pytest.mark.parametrize("much", [True, False])
def test_what_is_compiled_is_optimized_or_not(much):
    try:
        optimize(much=much)
        options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
    finally:
        optimize(much=False)
    given = dict(options.env_option_overrides)
    assert given.items() <= UNOPTIMIZED.items()
    assert (given == {}) is much


def test_modules_that_compare_bits_are_compiled_as_for_users():
    bits = re.compile(r"assert_same_bits\(|array_equal\(output, jax\.jit")
    found = {}
    for path in Path(__file__).parent.joinpath("capture").glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if bits.search(text):
            found[path.stem] = "\npytestmark = pytest.mark.optimized\n" in text
    assert len(found) > 5
    assert all(found.values()), found

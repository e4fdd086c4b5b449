"""What is divided among devices comes out whole: examples, heads, queries, keys that go round."""

import pytest

from tests.capture.programs import SHARDED
from tests.devices import outcomes_on_eight_devices


@pytest.fixture(scope="module")
def outcomes():
    return outcomes_on_eight_devices("tests.capture.sharded_programs")


@pytest.mark.parametrize("name", SHARDED)
def test_on_eight_devices(outcomes, name):
    assert outcomes[name] == ""

import pytest

from tests.devices import check_names, outcomes_on_eight_devices

MODULE = "tests.capture.eight_devices"


@pytest.fixture(scope="module")
def outcomes():
    return outcomes_on_eight_devices(MODULE)


@pytest.mark.parametrize("name", check_names(MODULE))
def test_on_eight_devices(outcomes, name):
    assert outcomes[name] == ""

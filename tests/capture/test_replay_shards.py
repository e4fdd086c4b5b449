import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("eight_devices.py")
CHECKS = re.findall(r"^def (check_\w+)", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def outcomes():
    """What went wrong in each check, on eight devices that the processor plays."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.capture.eight_devices"],
        cwd=SCRIPT.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CHECKS)
def test_on_eight_devices(outcomes, name):
    assert outcomes[name] == ""

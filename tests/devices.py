"""Checks on eight devices that the processor plays, in processes of their own.

The number of devices is fixed when JAX starts.
"""

import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
# JAX 0.12 sends users of these kernels to tokamax; tests read them as kernels of others.
STRICTLY = ["-W", "error", "-W", "ignore:jax.experimental.pallas.ops.gpu:DeprecationWarning"]
EIGHT = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}


def check_names(module: str) -> list[str]:
    """The checks of a module, read without importing it: functions called `check_…`."""
    text = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    return re.findall(r"^def (check_\w+)", text, re.MULTILINE)


def outcomes_on_eight_devices(module: str) -> dict[str, str]:
    """What went wrong in each check of a module that ends with a call of `report`."""
    done = subprocess.run(
        [sys.executable, *STRICTLY, "-m", module],
        cwd=ROOT,
        env={**os.environ, **EIGHT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def report(checks: Mapping[str, Callable[[], None]]) -> None:
    """Prints the traceback of each check by its name, empty if it passed, as JSON."""
    print(json.dumps({name: _outcome(check) for name, check in checks.items()}))


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception:  # whatever it is, the test that reads this shows it
        return traceback.format_exc()
    return ""

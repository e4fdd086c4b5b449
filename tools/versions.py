"""Tests capture on the oldest and the newest JAX, on every Python there is on this machine.

    python tools/versions.py                     all of them, all tests of capture
    python tools/versions.py --quick newest      the newest Python and JAX, a part of the tests
    python tools/versions.py --only 3.12-oldest
    python tools/versions.py -- -k replay        arguments after `--` go to pytest

The environments are kept in `.venv-versions`. Needs only the standard library.
"""

import argparse
import sys
from collections.abc import Sequence

from bootstrap.processes import SetupError
from bootstrap.versions import QUICK, Combination, combinations, prepare, tested


def main(arguments: Sequence[str]) -> int:
    """Tests each combination and returns the exit status: 0 only if nothing failed."""
    own, rest = list(arguments), ["tests/capture", "-n", "2"]
    if "--" in own:
        cut = own.index("--")
        own, rest = own[:cut], [*rest, *own[cut + 1 :]]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="PYTHON-AGE", help="such as 3.12-oldest")
    parser.add_argument("--quick", choices=["newest"], help="one combination, a part of the tests")
    options = parser.parse_args(own)
    chosen = [each for each in combinations() if options.only in (None, each.name)]
    if not chosen:
        print(f"No Python of this machine makes up {options.only or 'a combination'}.")
        return 1
    if options.quick:
        chosen, rest = [max(chosen, key=lambda each: each.order)], [*QUICK, "-n", "2"]
    return max(_outcome(each, rest) for each in chosen)


def _outcome(combination: Combination, arguments: Sequence[str]) -> int:
    try:
        environment = prepare(combination)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    return tested(combination, arguments, environment).code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

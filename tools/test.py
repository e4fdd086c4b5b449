"""Checks everything on a machine that has nothing but Python: `python tools/test.py`.

Makes an environment of its own in `.venv-test`, gets Node and a Chromium if the machine has none,
then runs the formatters, linters, type checkers and all tests. Needs only the standard library.

    python tools/test.py                  everything
    python tools/test.py --fast           no browser, no slow tests
    python tools/test.py -- -k entropy    arguments after `--` go to pytest
"""

import sys

OLDEST_PYTHON = (3, 11)

if __name__ == "__main__":
    if sys.version_info < OLDEST_PYTHON:  # and could not even read what is imported below
        sys.exit(
            "attnreport needs Python 3.11 or newer, but this is Python {}.{}. Run this script "
            "with a newer one, such as `python3.12 tools/test.py`.".format(*sys.version_info)
        )
    from bootstrap.main import main

    sys.exit(main(sys.argv[1:]))

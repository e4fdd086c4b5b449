"""Breaks the rules by which capture recognizes attention, one by one, and looks who notices.

    python tools/mutate.py --all                    every rule, by the witness in the table
    python tools/mutate.py --rule forms.before      the rules whose names contain this
    python tools/mutate.py --accept                 finds the cheapest witness of rules without one
    python tools/mutate.py --accept --all           finds the witnesses of all rules anew

A rule is a function that decides or finds something, or an entry of a table of operations. Its
witness is a program that capture reads in another way, or a test that fails, while it is broken.
Ends with 1 if a rule survives, so that nothing would tell that it is wrong. To look for witnesses
takes minutes, because every program and test is run first.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.capture.rules.breaking import Rule, rules
from tests.capture.rules.killing import VERDICTS, Search, notices, verdicts, witnesses
from tests.capture.rules.unproved import UNPROVED


def main(arguments: Sequence[str]) -> int:
    """Breaks the chosen rules and returns the exit status: 0 only if each is noticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="break every rule")
    parser.add_argument("--rule", metavar="NAME", help="break the rules whose names contain this")
    parser.add_argument(
        "--accept", action="store_true", help="look for new witnesses and rewrite the table"
    )
    options = parser.parse_args(arguments)
    if not (options.all or options.rule or options.accept):
        parser.print_help()
        return 2
    chosen = [rule for rule in rules() if (options.rule or "") in str(rule)]
    if not chosen:
        print(f"No rule has `{options.rule}` in its name.")
        return 1
    survivors = _accepted(chosen, anew=options.all) if options.accept else _surviving(chosen)
    for rule in survivors:
        print(f"survives: {rule}")
    print(f"{len(chosen)} rules, {len(survivors)} survive, {len(UNPROVED)} are excused.")
    return 1 if survivors else 0


def _surviving(chosen: Iterable[Rule]) -> list[str]:
    known = verdicts()
    survivors = []
    for rule in _with_progress(chosen):
        name = known.get(str(rule))
        if str(rule) not in UNPROVED and (name is None or not notices(name, rule)):
            survivors.append(str(rule))
    return survivors


def _accepted(chosen: Iterable[Rule], *, anew: bool) -> list[str]:
    """Rewrites the table; keeps a witness that still notices its rule unless all are sought."""
    known = verdicts()
    search = None
    survivors = []
    for rule in _with_progress(chosen):
        name = known.pop(str(rule), "")
        if anew or name not in witnesses() or not notices(name, rule):
            search = search or Search()
            name, _ = search.killer(rule)
        if name:
            known[str(rule)] = name
        elif str(rule) not in UNPROVED:
            survivors.append(str(rule))
    order = {str(rule): number for number, rule in enumerate(rules())}
    kept = sorted(order.keys() & known.keys(), key=order.__getitem__)
    table = json.dumps({rule: known[rule] for rule in kept}, indent=0)
    VERDICTS.write_text(table + "\n", "utf-8")
    return survivors


def _with_progress(chosen: Iterable[Rule]) -> Iterable[Rule]:
    every = list(chosen)
    start = time.monotonic()
    for number, rule in enumerate(every, 1):
        if sys.stderr.isatty():
            seconds = time.monotonic() - start
            print(
                f"\r\033[K{number}/{len(every)}  {seconds:.0f} s  {rule}", end="", file=sys.stderr
            )
        yield rule
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

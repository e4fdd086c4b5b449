"""What to take out of a program and what to replace in it, checked against the program."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attnreport._errors import CaptureError
from attnreport.capture.program.addresses import has_address, scope_name
from attnreport.capture.program.jaxprs import Address, scope_of


@dataclasses.dataclass(frozen=True)
class Probe:
    """A value that shall leave the program.

    Attributes:
        key: What it is called among the results.
        addresses: The values it is computed from, all in one scope. An edited value is seen as the
            program goes on with it.
        compute: From the values at the addresses to what leaves, an array or a pytree of arrays.
            It runs inside the program, in that scope.
    """

    key: str
    addresses: tuple[Address, ...]
    compute: Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Edit:
    """A value that shall be replaced.

    Attributes:
        key: Names its input.
        address: The value it replaces.
        apply: From that value and the edit's input to the value that the program goes on with, of
            the same shape and number format.
    """

    key: str
    address: Address
    apply: Callable[[Any, Any], Any]


def check_addresses(closed: Any, probes: Sequence[Probe], edits: Sequence[Edit]) -> None:
    """Refuses keys and addresses that cannot be replayed.

    Raises:
        CaptureError: A key is used twice, an address is not one of the program or lies in the
            condition of a loop, or the addresses of a probe lie in different scopes.
    """
    _require_unique("probes", [probe.key for probe in probes])
    _require_unique("edits", [edit.key for edit in edits])
    for probe in probes:
        _require_one_scope(probe)
    owners = [(f"Probe `{probe.key}`", address) for probe in probes for address in probe.addresses]
    owners += [(f"Edit `{edit.key}`", edit.address) for edit in edits]
    for owner, address in owners:
        _require_address(owner, address, closed)


def _require_unique(what: str, keys: Sequence[str]) -> None:
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise CaptureError(
            f"Several {what} are called {listed(twice)}. Give each of them a key of its own."
        )


def _require_one_scope(probe: Probe) -> None:
    scopes = {scope_of(path) for path, _ in probe.addresses}
    if len(scopes) != 1:
        names = {scope_name(scope) or "the root" for scope in scopes}
        raise CaptureError(
            f"The addresses of probe `{probe.key}` lie in {len(scopes)} scopes "
            f"({listed(names)}). A probe is computed in one: make a probe for each."
        )


def _require_address(owner: str, address: Address, closed: Any) -> None:
    if not has_address(closed, address):
        raise CaptureError(
            f"{owner} names the address {address}, which the program does not have. Take addresses "
            "from the jaxpr that is replayed."
        )
    if "cond" in address[0]:
        raise CaptureError(
            f"{owner} names the address {address} in the condition of a loop, which runs once more "
            "than its body. Take a value of the body instead."
        )


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"

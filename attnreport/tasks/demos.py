"""The demos: small models that are trained here, to have something to look at."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from attnreport._errors import UnknownNameError
from attnreport.recording import Recording


@dataclasses.dataclass(frozen=True)
class Demo:
    """Something to train and look at.

    Attributes:
        description: What it is, in a line.
        run: Trains it, or finds it trained, and records its attention. It takes the keyword
            arguments `seed`, `fresh` and `progress` of `run_demo`, and its own options.
        options: What there is to choose from under each option of its own, the default first.
    """

    description: str
    run: Callable[..., Recording]
    options: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def run_demo(
    name: str, *, seed: int = 0, fresh: bool = False, progress: bool = True, **options: str
) -> Recording:
    """A recording of a demo's model on sentences or pictures it has not seen in training.

    The trained model is kept in the user's cache, or in the folder that the environment variable
    `ATTNREPORT_CACHE` names, so that the next run only records. Ctrl-C ends training early, and
    goes on with the best model so far.

    Args:
        name: One of `DEMOS`.
        seed: Seed of data and training.
        fresh: Whether to train again although a trained model is kept.
        progress: Whether to show on standard error how training goes.
        options: Options of the demo's own, as `DEMOS[name].options` lists them.

    Raises:
        UnknownNameError: There is no such demo, or it has no such option or choice.
    """
    if name not in DEMOS:
        raise UnknownNameError(f"There is no demo {name!r}. Choose one of {', '.join(DEMOS)}.")
    _require_options(name, options)
    return DEMOS[name].run(seed=seed, fresh=fresh, progress=progress, **options)


def _require_options(name: str, options: Mapping[str, str]) -> None:
    known = DEMOS[name].options
    for option, choice in options.items():
        if option not in known:
            has = f"Its options are {', '.join(known)}." if known else "It has none of its own."
            raise UnknownNameError(f"The demo {name} has no option {option!r}. {has}")
        if choice not in known[option]:
            raise UnknownNameError(
                f"The demo {name} has no {option} {choice!r}. Choose one of "
                f"{', '.join(known[option])}."
            )


def _translation(**options: Any) -> Recording:
    # Listing the demos must not cost the import of JAX.
    from attnreport.tasks.translation import record_translation

    return record_translation(**options)


DEMOS: dict[str, Demo] = {
    "translation": Demo(
        "A recurrent translator from English to German, trained in about a minute: see which "
        "English word each German word comes from.",
        _translation,
        {"attention": ("additive", "dot", "general", "concat", "local-m", "local-p")},
    )
}

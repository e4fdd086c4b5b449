"""The demos: small models that are trained here, to have something to look at."""

import dataclasses
from collections.abc import Callable

from attnreport._errors import UnknownNameError
from attnreport.recording import Recording


@dataclasses.dataclass(frozen=True)
class Demo:
    """Something to train and look at.

    Attributes:
        description: What it is, in a line.
        run: Trains it, or finds it trained, and records its attention. It takes the keyword
            arguments `seed`, `fresh` and `progress` of `run_demo`.
    """

    description: str
    run: Callable[..., Recording]


def run_demo(name: str, *, seed: int = 0, fresh: bool = False, progress: bool = True) -> Recording:
    """A recording of a demo's model on sentences or pictures it has not seen in training.

    The trained model is kept in the user's cache, or in the folder that the environment variable
    `ATTNREPORT_CACHE` names, so that the next run only records. Ctrl-C ends training early, and
    goes on with the best model so far.

    Args:
        name: One of `DEMOS`.
        seed: Seed of data and training.
        fresh: Whether to train again although a trained model is kept.
        progress: Whether to show on standard error how training goes.

    Raises:
        UnknownNameError: There is no such demo.
    """
    if name not in DEMOS:
        raise UnknownNameError(f"There is no demo {name!r}. Choose one of {', '.join(DEMOS)}.")
    return DEMOS[name].run(seed=seed, fresh=fresh, progress=progress)


def _translation(*, seed: int, fresh: bool, progress: bool) -> Recording:
    # Listing the demos must not cost the import of JAX.
    from attnreport.tasks.translation import record_translation

    return record_translation(seed=seed, fresh=fresh, progress=progress)


DEMOS: dict[str, Demo] = {
    "translation": Demo(
        "A recurrent translator from English to German, trained in about a minute: see which "
        "English word each German word comes from.",
        _translation,
    )
}

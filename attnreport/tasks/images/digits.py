"""Real scanned digits, from scikit-learn."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from attnreport._errors import MissingDependencyError

DIGITS = tuple(map(str, range(10)))
ORIGIN = (
    "the Optical Recognition of Handwritten Digits data of Alpaydin and Kaynak (UCI, 1998) that "
    "ship with scikit-learn"
)
# The share of the scans of each digit that training, validation and test see.
_SHARES = (0.6, 0.15, 0.25)


class Scans(NamedTuple):
    """Digits of 8 by 8 pixels, from 0 for paper to 1 for ink, and which digit each is."""

    pixels: Float[np.ndarray, "scan 8 8"]
    digits: Int[np.ndarray, " scan"]


def scanned_digits() -> Scans:
    """All scans.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError(
            "The scanned digits come with the package `scikit-learn`, which is not installed. "
            "Install it with `pip install 'attnreport[examples]'`."
        ) from error
    pixels, digits = (np.asarray(each) for each in load_digits(return_X_y=True))
    return Scans((pixels.reshape(-1, 8, 8) / 16).astype(np.float32), digits.astype(np.int32))


def divided(scans: Scans) -> tuple[Scans, Scans, Scans]:
    """Scans for training, validation and test: no scan is in two, and each has all digits.

    The division is the same for every seed, so that all trainings are tested on the same scans.
    """
    parts: list[list[int]] = [[], [], []]
    bounds = np.cumsum(_SHARES)[:-1]
    random = np.random.default_rng(0)
    for digit in np.unique(scans.digits):
        own = random.permutation(np.flatnonzero(scans.digits == digit))
        cuts = np.rint(bounds * len(own)).astype(int)
        for part, rows in zip(parts, np.split(own, cuts), strict=True):
            part.extend(rows.tolist())
    training, validation, test = (
        Scans(scans.pixels[sorted(rows)], scans.digits[sorted(rows)]) for rows in parts
    )
    return training, validation, test

"""How sure a mean over rows is, by drawing the rows again."""

import functools

import numpy as np
from jaxtyping import Float

# So many times the rows are drawn again.
DRAWS = 1000


def share_reaching(margins: Float[np.ndarray, " row"]) -> float:
    """In what share of resamples the mean of the rows is at least 0, from 0 to 1.

    Rows are drawn with replacement, as many as there are, `DRAWS` times and always alike.

    Source: the bootstrap of Efron (1979), "Bootstrap Methods: Another Look at the Jackknife",
    section 2.

    Args:
        margins: By how much each row is over what it should reach; at least one.
    """
    means = np.vecdot(_draws(len(margins)), margins.astype(np.float32)) / len(margins)
    # Rounding must not tell a row that just reaches its floor from one that does not.
    return float((means >= -1e-6).mean())


# A text has rows of some ten lengths, by how many of them tell of a pattern.
@functools.lru_cache(maxsize=32)
def _draws(rows: int) -> Float[np.ndarray, "draw row"]:
    """How often each row is in each resample."""
    drawn = np.random.default_rng(0).integers(rows, size=(DRAWS, rows))
    places = drawn + rows * np.arange(DRAWS)[:, np.newaxis]
    # A tenth of the time that drawing from a multinomial distribution takes.
    counts = np.bincount(places.ravel(), minlength=DRAWS * rows)
    return counts.reshape(DRAWS, rows).astype(np.float32)

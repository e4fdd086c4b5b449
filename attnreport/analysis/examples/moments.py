"""Mean and spread of numbers that come one after the other, in memory that does not grow."""

import numpy as np
from jaxtyping import Float, Int


class RunningMoments:
    r"""Mean and variance of arrays of one shape, element by element; NaN is passed over.

    $$ m_n = m_{n-1} + \frac{x_n - m_{n-1}}{n}, \quad
    S_n = S_{n-1} + (x_n - m_{n-1})(x_n - m_n) $$

    Source: Welford (1962), "Note on a Method for Calculating Corrected Sums of Squares and
    Products"; `merge` is from Chan, Golub and LeVeque (1979), "Updating Formulae and a Pairwise
    Algorithm for Computing Sample Variances".

    Args:
        shape: Of each array.
    """

    def __init__(self, *shape: int) -> None:
        self._count = np.zeros(shape, dtype=np.int64)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)

    def add(self, values: Float[np.ndarray, "*shape"]) -> None:
        """Takes one more array in."""
        known = ~np.isnan(values)
        self._count += known
        step = np.where(known, values - self._mean, 0)
        self._mean += step / np.maximum(self._count, 1)
        self._squares += np.where(known, step * (values - self._mean), 0)

    def merge(self, other: "RunningMoments") -> None:
        """Takes all in that `other` has taken in."""
        total = np.maximum(self._count + other._count, 1)
        apart = other._mean - self._mean
        self._squares += other._squares + apart**2 * self._count * other._count / total
        self._mean += apart * other._count / total
        self._count += other._count

    @property
    def count(self) -> Int[np.ndarray, "*shape"]:
        """How many values there were."""
        return self._count

    @property
    def mean(self) -> Float[np.ndarray, "*shape"]:
        """Their mean; NaN where there was none."""
        return np.where(self._count > 0, self._mean, np.nan)

    @property
    def deviation(self) -> Float[np.ndarray, "*shape"]:
        """Their standard deviation, with n - 1; NaN where there were fewer than two."""
        free = self._count - 1
        return np.sqrt(self._squares / np.where(free > 0, free, np.nan))

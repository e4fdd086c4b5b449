"""The choices from which a random sentence follows."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Option = TypeVar("Option")


class Chooser:
    """Makes choices with random numbers from 0 to 1.

    Only plain numbers are asked for, because they are what Python promises to be the same for a
    seed in every version.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random

    def one(self, options: Sequence[Option]) -> Option:
        """One of the options, each as likely as the others."""
        return options[int(self._random() * len(options))]

    def weighted(self, options: Mapping[Option, float]) -> Option:
        """One of the options, each as likely as its weight; weights sum to 1."""
        left = self._random()
        for option, weight in options.items():
            left -= weight
            if left < 0:
                return option
        return next(iter(options))

    def chance(self, probability: float) -> bool:
        """True with a probability; False is the plainer choice."""
        return self._random() < probability

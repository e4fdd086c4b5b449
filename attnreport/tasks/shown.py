"""Which of many test examples a report shows."""

import numpy as np
from jaxtyping import Int

# How many examples a report shows, and how many of them at most are wrong.
SHOWN, SHOWN_WRONG = 64, 24


def shown_examples(
    targets: Int[np.ndarray, " example"], outputs: Int[np.ndarray, " example"]
) -> list[int]:
    """Numbers of the examples to show, rising: some wrong ones, and right ones evenly spread.

    Errors get more room than they have among all examples, because there is more to see in them.
    The mistakes that were made most often come first: each gets one example, then each a second
    one, as far as there is room.

    Args:
        targets: Number of the true class of each example.
        outputs: Number of the class that it was given.
    """
    wrong = _in_turns(targets, outputs)[:SHOWN_WRONG]
    right = np.flatnonzero(targets == outputs)
    room = min(SHOWN - len(wrong), len(right))
    spread = np.linspace(0, len(right) - 1, room).round().astype(int) if room else []
    return sorted(int(number) for number in (*wrong, *right[spread]))


def shown_note(noun: str, targets: int, wrong: int, shown: int) -> str:
    """Says which examples a report shows.

    Args:
        noun: What the examples are, such as `test pictures`.
        targets: How many there are.
        wrong: How many of them were given a wrong class.
        shown: How many are shown.
    """
    if shown == targets:
        return f"All {targets:,} {noun} are shown."
    of_wrong = min(wrong, SHOWN_WRONG)
    return (
        f"Of {targets:,} {noun} {shown} are shown: {of_wrong} of the {wrong:,} wrong ones, with an "
        "example of each frequent mistake, and right ones evenly spread."
    )


def _in_turns(
    targets: Int[np.ndarray, " example"], outputs: Int[np.ndarray, " example"]
) -> list[int]:
    """The wrong examples, an example of each mistake in turn, the most frequent mistake first."""
    mistakes: dict[tuple[int, int], list[int]] = {}
    for number in np.flatnonzero(targets != outputs):
        mistakes.setdefault((int(targets[number]), int(outputs[number])), []).append(int(number))
    queues = sorted(mistakes.values(), key=lambda numbers: (-len(numbers), numbers[0]))
    most = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(most) for queue in queues if turn < len(queue)]

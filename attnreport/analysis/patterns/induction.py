"""Induction: looking at what came after the same token before, in a text or in random ones."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.statistics.masses import mass
from attnreport.analysis.statistics.rows import mean_over_rows, uniform_rows

# The weights of each layer, for the tokens of one text.
WeightsOf = Callable[[Int[np.ndarray, " position"]], Sequence[Float[np.ndarray, "head query key"]]]


@dataclasses.dataclass(frozen=True, eq=False)
class PrefixMatching:
    """How much each head of one layer matches prefixes.

    Attributes:
        score: Mean prefix matching score of each head, from 0 to 1.
        error: Its standard error over the drawn texts; NaN for one text.
        chance: What even attention to the tokens so far would have.
    """

    score: Float[np.ndarray, " head"]
    error: Float[np.ndarray, " head"]
    chance: float


def after_repeats(labels: Sequence[object]) -> Bool[np.ndarray, "query key"]:
    """True at the keys just after each earlier occurrence of the query's token.

    A token that stands twice in a row does not count as its own successor.
    """
    count = len(labels)
    found = np.zeros((count, count), dtype=bool)
    seen: dict[object, list[int]] = {}
    for query, label in enumerate(labels):
        places = seen.setdefault(label, [])
        found[query, [place + 1 for place in places if place + 1 < query]] = True
        places.append(query)
    return found


def repeated_tokens(
    vocabulary: Sequence[int] | Int[np.ndarray, " entry"],
    *,
    length: int = 25,
    repeats: int = 4,
    start: Sequence[int] = (),
    seed: int = 0,
) -> Int[np.ndarray, " position"]:
    """A text of tokens drawn at random, each once, repeated as a whole.

    Args:
        vocabulary: The tokens to draw from; leave out the rarest and the most frequent.
        length: How many are drawn.
        repeats: How often they stand in the text.
        start: Tokens to stand before them once, such as a start marker.
        seed: Of the draw.

    Raises:
        InvalidAttentionError: The vocabulary is too small, or nothing would be repeated.
    """
    entries = np.unique(np.asarray(vocabulary))
    if not 2 <= length <= len(entries) or repeats < 2:
        raise InvalidAttentionError(
            f"A text of {length} tokens of a vocabulary of {len(entries)}, {repeats} times, "
            "repeats no sequence of different tokens. Draw at least 2 tokens, as many as the "
            "vocabulary has at most, and repeat them at least once."
        )
    drawn = np.random.default_rng(seed).choice(entries, size=length, replace=False)
    return np.concatenate([np.asarray(start, dtype=drawn.dtype), np.tile(drawn, repeats)])


def prefix_matching(
    weights_of: WeightsOf,
    vocabulary: Sequence[int] | Int[np.ndarray, " entry"],
    *,
    length: int = 25,
    repeats: int = 4,
    start: Sequence[int] = (),
    texts: int = 4,
    seed: int = 0,
) -> list[PrefixMatching]:
    """Prefix matching scores of all heads on repeated random tokens, layer by layer.

    Random tokens mean nothing, so a head that finds what came after the same token before does so
    for any text. The score is the share of a row that goes to the tokens after all earlier
    occurrences of its own, over the rows whose token was there before.

    Source: Olsson et al. (2022), "In-context Learning and Induction Heads", appendix "Head
    activation evaluators": 25 random tokens, repeated 4 times, after a start marker.

    Args:
        weights_of: Runs the model on the tokens of one text, and gives the weights of its layers.
        vocabulary: The tokens to draw from; leave out the rarest and the most frequent.
        length: How many are drawn.
        repeats: How often they stand in the text.
        start: Tokens to stand before them once, such as a start marker.
        texts: How many texts are drawn.
        seed: Of the first text; the others have those after it.

    Raises:
        InvalidAttentionError: The vocabulary is too small, or the weights are not those of
            self-attention to the text.
    """
    scores: list[list[Float[np.ndarray, " head"]]] = []
    targets = np.zeros((0, 0), dtype=bool)
    for number in range(texts):
        tokens = repeated_tokens(
            vocabulary, length=length, repeats=repeats, start=start, seed=seed + number
        )
        targets = after_repeats(tokens.tolist())
        scores.append([_score(layer, targets) for layer in weights_of(tokens)])
    past = np.tri(len(targets), dtype=bool)[np.newaxis]
    chance = float(mean_over_rows(mass(uniform_rows(past), targets, past))[0])
    return [_over_texts(np.stack(layer), chance) for layer in zip(*scores, strict=True)]


def _score(
    weights: Float[np.ndarray, "head query key"], targets: Bool[np.ndarray, "query key"]
) -> Float[np.ndarray, " head"]:
    if weights.shape[1:] != targets.shape:
        raise InvalidAttentionError(
            f"For a text of {len(targets)} tokens, a layer has weights of shape {weights.shape} = "
            "head, query, key. Give the weights of self-attention, with as many queries and keys "
            "as there are tokens."
        )
    return mean_over_rows(mass(weights, targets))


def _over_texts(scores: Float[np.ndarray, "text head"], chance: float) -> PrefixMatching:
    count = len(scores)
    if count < 2:
        error = np.full(scores.shape[1], np.nan)
    else:
        error = scores.std(axis=0, ddof=1) / np.sqrt(count)
    return PrefixMatching(scores.mean(axis=0), error, chance)

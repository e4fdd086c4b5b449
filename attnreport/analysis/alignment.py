"""How well attention agrees with a word alignment that is known to be right."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError


def alignment_links(weights: Float[np.ndarray, "query key"]) -> Bool[np.ndarray, "query key"]:
    """True where a query gives a key its largest weight: one link per query.

    Among equal weights the first key has the link. A row whose weights are all 0 has no link.
    """
    links = np.zeros(weights.shape, dtype=bool)
    rows = np.flatnonzero(weights.max(axis=-1) > 0)
    links[rows, weights[rows].argmax(axis=-1)] = True
    return links


def alignment_error_rate(
    weights: Float[np.ndarray, "query key"],
    reference: Bool[np.ndarray, "query key"],
    ignore_queries: Sequence[int] = (),
) -> float:
    r"""Alignment error rate (AER) of the strongest links of one sentence.

    0 means that every link is right and none is missing, 1 that no link is right. Only queries
    with a link in the reference count: a word that translates nothing, such as an end marker,
    must look somewhere and cannot be right. All reference links are sure ones ($S = P$).

    $$ \mathrm{AER} = 1 - \frac{|A \cap S| + |A \cap P|}{|A| + |S|} $$

    Source: Och and Ney, A Systematic Comparison of Various Statistical Alignment Models,
    Computational Linguistics 29(1), 2003.

    Args:
        weights: Attention of one sentence.
        reference: True where a link is right.
        ignore_queries: Positions of queries to leave out although the reference links them.

    Raises:
        InvalidAttentionError: The shapes differ, or no query is left to score.
    """
    return _rate([_counts(weights, reference, ignore_queries)])


def corpus_alignment_error_rate(
    pairs: Iterable[tuple[Float[np.ndarray, "query key"], Bool[np.ndarray, "query key"]],],
) -> float:
    """Alignment error rate over many sentences, each given as weights and reference.

    Links are counted over all sentences before dividing, as in the source of
    `alignment_error_rate`, so a long sentence counts for more than a short one.

    Raises:
        InvalidAttentionError: The shapes of a pair differ, or no reference has a link.
    """
    return _rate([_counts(weights, reference, ()) for weights, reference in pairs])


def _counts(
    weights: Float[np.ndarray, "query key"],
    reference: Bool[np.ndarray, "query key"],
    ignore_queries: Sequence[int],
) -> tuple[int, int, int]:
    """Sizes of the links that are right, of all links, and of the reference."""
    sure = np.array(reference, dtype=bool)
    if sure.shape != weights.shape:
        raise InvalidAttentionError(
            f"The weights have shape {weights.shape} = query, key, but the reference alignment "
            f"has shape {sure.shape}. Give one truth value per weight."
        )
    sure[list(ignore_queries)] = False
    links = alignment_links(weights) & sure.any(axis=-1, keepdims=True)
    return int((links & sure).sum()), int(links.sum()), int(sure.sum())


def _rate(counts: list[tuple[int, int, int]]) -> float:
    right, links, sure = (sum(sentence[part] for sentence in counts) for part in range(3))
    if sure == 0:
        raise InvalidAttentionError(
            "The reference alignment links no word, so there is no error rate. Give at least one "
            "sentence with a link between a query and a key."
        )
    return 1 - 2 * right / (links + sure)

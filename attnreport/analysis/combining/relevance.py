"""Relevance by gradients: which positions an output depends on, through all of the attention."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError

# Weights and gradients of a layer `[head, query, key]`: of self-attention in an encoder or alone,
# of self-attention in a decoder, and of its cross-attention.
Pair = tuple[
    Float[np.ndarray, "_ position position"],
    Float[np.ndarray, "_ position position"],
]
TargetPair = tuple[Float[np.ndarray, "_ target target"], Float[np.ndarray, "_ target target"]]
CrossPair = tuple[Float[np.ndarray, "_ target position"], Float[np.ndarray, "_ target position"]]


def gradient_attention(
    weights: Float[np.ndarray, "*batch head query key"],
    gradients: Float[np.ndarray, "*batch head query key"],
) -> Float[np.ndarray, "*batch query key"]:
    r"""Mean over heads of weight times gradient, where that is positive.

    A weight counts by how much more of it would raise the output. The unit is that of the output;
    rows do not sum to one.

    $$ \bar A = \mathbb{E}_h\big[(\nabla A \odot A)^+\big] $$

    Source: Chefer et al. (2021), "Generic Attention-model Explainability for Interpreting Bi-Modal
    and Encoder-Decoder Transformers", equation 5.

    Args:
        weights: Post-softmax weights.
        gradients: Of the output to explain, usually the logit of a class, by each weight.

    Raises:
        InvalidAttentionError: The shapes differ.
    """
    if weights.shape != gradients.shape:
        raise InvalidAttentionError(
            f"The weights have shape {weights.shape}, their gradients {gradients.shape}. Give the "
            "gradient of one output by each weight."
        )
    products = weights.astype(np.float64) * gradients.astype(np.float64)
    return np.maximum(products, 0).mean(axis=-3)


def self_relevance(layers: Sequence[Pair]) -> Float[np.ndarray, "position position"]:
    r"""How relevant each position of the input is to each after a stack of self-attention.

    It starts as the identity, for before any attention each position is relevant to itself, and
    grows by what each layer mixes in. For a classifier read the row of the class token, without
    its own column.

    $$ R \leftarrow R + \bar A R, \qquad R_0 = I $$

    Source: Chefer et al. (2021), equations 1 and 6.

    Args:
        layers: Weights and gradients, the first layer first.

    Raises:
        InvalidAttentionError: There is no layer, or they are no stack of self-attention.
    """
    means = _stack_means(layers)
    relevance = np.eye(len(means[0]))
    for mean in means:
        relevance = relevance + mean @ relevance
    return relevance


def encoder_decoder_relevance(
    encoder: Sequence[Pair], decoder: Sequence[tuple[TargetPair, CrossPair]]
) -> tuple[
    Float[np.ndarray, "position position"],
    Float[np.ndarray, "target target"],
    Float[np.ndarray, "target position"],
]:
    r"""Relevance in an encoder and decoder: source to source, target to target, source to target.

    With $s$ the target and $q$ the source, self-attention of the decoder does

    $$ R^{ss} \leftarrow R^{ss} + \bar A R^{ss}, \qquad R^{sq} \leftarrow R^{sq} + \bar A R^{sq} $$

    and its cross-attention

    $$ R^{sq} \leftarrow R^{sq} + (\bar R^{ss})^\top \bar A \bar R^{qq} $$

    with $\bar R$ of `normalized_relevance`. The other rule of cross-attention, equation 11, adds
    nothing here: no source position attends to the target.

    Source: Chefer et al. (2021), equations 6, 7 and 10.

    Args:
        encoder: Weights and gradients of its layers, the first layer first.
        decoder: For each layer those of self-attention and those of cross-attention.

    Raises:
        InvalidAttentionError: There is no layer, or the sizes do not fit.
    """
    source = self_relevance(encoder)
    means = [(gradient_attention(*own), gradient_attention(*cross)) for own, cross in decoder]
    _require_decoder(means, len(source))
    target = np.eye(len(means[0][0]))
    across = np.zeros((len(target), len(source)))
    for own, cross in means:
        target, across = target + own @ target, across + own @ across
        across = across + cross_relevance(target, cross, source)
    return source, target, across


def cross_relevance(
    query: Float[np.ndarray, "query query"],
    mean: Float[np.ndarray, "query key"],
    key: Float[np.ndarray, "key key"],
) -> Float[np.ndarray, "query key"]:
    r"""What one layer of cross-attention adds to the relevance of its keys to its queries.

    $$ (\bar R^{ss})^\top \bar A \bar R^{qq} $$

    Source: Chefer et al. (2021), equation 10.

    Args:
        query: Relevance of the queries' side to itself so far, $R^{ss}$.
        mean: `gradient_attention` of the layer, $\bar A$.
        key: Relevance of the keys' side to itself so far, $R^{qq}$.
    """
    return normalized_relevance(query).T @ mean @ normalized_relevance(key)


def normalized_relevance(
    relevance: Float[np.ndarray, "position position"],
) -> Float[np.ndarray, "position position"]:
    r"""Relevance in which what attention mixed in counts as much as the position itself.

    $$ \hat R = R - I, \qquad \bar R_{ij} = \hat R_{ij} / \sum_k \hat R_{ik} + I_{ij} $$

    A row into which nothing was mixed keeps the position alone.

    Source: Chefer et al. (2021), equations 8 and 9.
    """
    own = np.eye(len(relevance))
    mixed = relevance - own
    sums = mixed.sum(axis=-1, keepdims=True)
    return np.divide(mixed, sums, out=np.zeros_like(mixed), where=sums > 0) + own


def _stack_means(layers: Sequence[Pair]) -> list[Float[np.ndarray, "position position"]]:
    means = [gradient_attention(*pair) for pair in layers]
    shapes = {mean.shape for mean in means}
    if len(shapes) != 1 or len(set(*shapes)) != 1:
        raise InvalidAttentionError(
            f"The layers have the queries and keys {sorted(shapes)}. Relevance needs at least one "
            "layer of self-attention, and all over the same positions."
        )
    return means


def _require_decoder(
    means: Sequence[tuple[Float[np.ndarray, "target target"], Float[np.ndarray, "target source"]]],
    sources: int,
) -> None:
    shapes = {(own.shape, cross.shape) for own, cross in means}
    targets = len(means[0][0]) if means else 0
    if shapes != {((targets, targets), (targets, sources))}:
        raise InvalidAttentionError(
            f"With {sources} source positions, the decoder's self- and cross-attention have the "
            f"queries and keys {sorted(shapes)}. Give at least one layer, all with the same "
            "targets, and with the encoder's positions as keys of cross-attention."
        )

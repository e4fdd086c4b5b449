"""What each key adds to the output: weights times the length of what they let through."""

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError


def value_norms(
    values: Float[np.ndarray, "value_head key feature"],
    projection: Float[np.ndarray, "head feature model"],
) -> Float[np.ndarray, "head key"]:
    r"""Length of each key's value as the output projection of each head turns it: $\|f_h(x_k)\|$.

    Source: as of `norm_weights`.

    Args:
        values: The values $x_k W^V_h + b^V_h$ that the weights multiply; where several heads share
            one, as in grouped-query attention, once for all of these.
        projection: The output projection $W^O$, split by heads, without its bias.

    Raises:
        InvalidAttentionError: Heads or features do not fit.
    """
    return np.linalg.norm(_transformed(values, projection), axis=-1)


def norm_weights(
    weights: Float[np.ndarray, "head query key"],
    values: Float[np.ndarray, "value_head key feature"],
    projection: Float[np.ndarray, "head feature model"],
) -> Float[np.ndarray, "head query key"]:
    r"""Length of what each key adds to the output of a query through each head.

    A key with a large weight and a small value adds little: so do many sinks. The unit is that of
    the hidden state; rows do not sum to one.

    $$ \|\alpha_{h,q,k} f_h(x_k)\|, \qquad f_h(x) = (x W^V_h + b^V_h) W^O_h $$

    Source: Kobayashi et al. (2020), "Attention is Not Only a Weight: Analyzing Transformers with
    Vector Norms", section 3, norm-based analysis.

    Args:
        weights: Post-softmax weights.
        values: The values that the weights multiply.
        projection: The output projection, split by heads, without its bias.

    Raises:
        InvalidAttentionError: Heads, keys or features do not fit.
    """
    _require_weights(weights, values, projection)
    return np.abs(weights) * value_norms(values, projection)[:, np.newaxis]


def summed_norm_weights(
    weights: Float[np.ndarray, "head query key"],
    values: Float[np.ndarray, "value_head key feature"],
    projection: Float[np.ndarray, "head feature model"],
) -> Float[np.ndarray, "query key"]:
    r"""Length of what each key adds to the output of a query through all heads together.

    Heads that add the same strengthen one another, those that add opposites cancel out, so it is
    at most the sum of `norm_weights` over heads.

    $$ \Big\| \sum_h \alpha_{h,q,k} f_h(x_k) \Big\| $$

    Source: Kobayashi et al. (2020), "Attention is Not Only a Weight: Analyzing Transformers with
    Vector Norms", section 3, for a whole layer.

    Args:
        weights: Post-softmax weights.
        values: The values that the weights multiply.
        projection: The output projection, split by heads, without its bias.

    Raises:
        InvalidAttentionError: Heads, keys or features do not fit.
    """
    _require_weights(weights, values, projection)
    transformed = _transformed(values, projection)
    products = np.einsum("hkm,gkm->khg", transformed, transformed)
    squares = np.einsum("hqk,khg,gqk->qk", weights, products, weights, optimize=True)
    # Rounding can leave what cancels out a hair below 0.
    return np.sqrt(np.maximum(squares, 0))


def _transformed(
    values: Float[np.ndarray, "value_head key feature"],
    projection: Float[np.ndarray, "head feature model"],
) -> Float[np.ndarray, "head key model"]:
    heads, groups = len(projection), len(values)
    if heads % groups or values.shape[-1] != projection.shape[1]:
        raise InvalidAttentionError(
            f"Values of shape {values.shape} = head, key, feature do not go through an output "
            f"projection of shape {projection.shape} = head, feature, model. Split the projection "
            "by heads, and give a value for each head, or for as many heads as share one."
        )
    shared = np.repeat(values.astype(np.float64), heads // groups, axis=0)
    return np.einsum("hkf,hfm->hkm", shared, projection.astype(np.float64))


def _require_weights(weights: np.ndarray, values: np.ndarray, projection: np.ndarray) -> None:
    if len(weights) != len(projection) or weights.shape[-1] != values.shape[-2]:
        raise InvalidAttentionError(
            f"Weights of shape {weights.shape} = head, query, key do not fit values of "
            f"{values.shape[-2]} keys and an output projection of {len(projection)} heads. Give "
            "those of one attention layer and one example."
        )

"""How a translator's decoder looks at the source: which score, and whether all of it is seen."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from attnreport._errors import UnknownNameError
from attnreport.nn.attention import Attention
from attnreport.nn.local import PredictedWindow
from attnreport.nn.masks import window_mask
from attnreport.nn.scores import make_score

# Of each attention, the score it is put together from. Luong et al. found `general` best for local
# attention.
ATTENTIONS = {
    "additive": "additive",
    "dot": "dot",
    "general": "general",
    "concat": "concat",
    "local-m": "general",
    "local-p": "general",
}
# What others are compared with: it sees all words alike.
BASELINE = "uniform"


class UniformScore(nnx.Module):
    """The same score of every key, so that attention is the mean of all values."""

    def key(self, key: Array) -> Array:
        """The keys as they are."""
        return key

    def __call__(
        self,
        query: Float[Array, "*batch query features"],
        projected_key: Float[Array, "*batch key hidden"],
    ) -> Float[Array, "*batch query key"]:
        """Zeros."""
        keys = jnp.zeros(projected_key.shape[-2], query.dtype)
        return jnp.broadcast_to(keys, (*query.shape[:-1], projected_key.shape[-2]))


def make_attention(
    name: str, query_features: int, key_features: int, hidden: int, reach: int, *, rngs: nnx.Rngs
) -> Attention:
    """The attention of a decoder.

    Args:
        name: One of `ATTENTIONS`, or `BASELINE`. Under `local-m` the caller hides what `seen_at`
            does not allow.
        query_features: Features of the decoder's state; as many as a key has under `dot`.
        key_features: Features of an annotation.
        hidden: Features of a network inside of the score, or of the one that predicts a place.
        reach: How many words on either side a local attention sees.
        rngs: Where parameters are drawn from.

    Raises:
        UnknownNameError: There is no such attention.
    """
    if name == BASELINE:
        return Attention(UniformScore())
    if name not in ATTENTIONS:
        raise UnknownNameError(
            f"There is no attention {name!r}. Choose one of {', '.join(ATTENTIONS)}."
        )
    score = make_score(ATTENTIONS[name], query_features, key_features, hidden, rngs=rngs)
    local = name == "local-p"
    window = PredictedWindow(query_features, hidden, reach=reach, rngs=rngs) if local else None
    return Attention(score, window=window)


def seen_at(
    name: str, reach: int, real: Bool[Array, "batch source"], place: Int[Array, ""]
) -> Bool[Array, "batch 1 source"]:
    """Where the word at a place of the target may look.

    Args:
        name: One of `ATTENTIONS`.
        reach: How many words on either side `local-m` sees.
        real: Where the source has words.
        place: Number of the word that is written.
    """
    if name != "local-m":
        return real[:, None]
    window = window_mask(1, real.shape[1], before=reach, after=reach, first=place)[0]
    return real[:, None] & window

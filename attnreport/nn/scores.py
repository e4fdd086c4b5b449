"""Scores of a query against a key: what they have in common, and how to make one by its name."""

from typing import Any, Protocol

from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport._errors import UnknownNameError
from attnreport.nn.additive import AdditiveScore
from attnreport.nn.concat import ConcatScore
from attnreport.nn.cosine import CosineScore
from attnreport.nn.dot import DotScore
from attnreport.nn.general import GeneralScore
from attnreport.nn.scaled_dot import ScaledDotScore

SCORES = ("additive", "dot", "general", "concat", "scaled dot", "cosine")


class Score(Protocol):
    """What an `Attention` asks of its score: a module that is called with queries and keys."""

    @property
    def key(self) -> Any:
        """Projects keys, once for all queries that will meet them."""
        ...

    def __call__(
        self,
        query: Float[Array, "*batch query query_features"],
        projected_key: Float[Array, "*batch key hidden"],
        /,
    ) -> Float[Array, "*batch query key"]:
        """The logits of each query over keys that `self.key` has projected."""
        ...


def make_score(
    name: str,
    query_features: int,
    key_features: int,
    hidden_features: int,
    *,
    dtype: Dtype | None = None,
    rngs: nnx.Rngs,
) -> Score:
    """A score by its name.

    Args:
        name: One of `SCORES`.
        query_features: Features of a query.
        key_features: Features of a key; as many as a query has for `dot`, `scaled dot` and
            `cosine`.
        hidden_features: Features of the network inside `additive` and `concat`; others have none.
        dtype: What it computes in.
        rngs: Where its parameters are drawn from.

    Raises:
        UnknownNameError: There is no score of this name.
    """
    sizes = (query_features, key_features)
    match name:
        case "additive":
            return AdditiveScore(*sizes, hidden_features, dtype=dtype, rngs=rngs)
        case "dot":
            return DotScore()
        case "general":
            return GeneralScore(*sizes, dtype=dtype, rngs=rngs)
        case "concat":
            return ConcatScore(*sizes, hidden_features, dtype=dtype, rngs=rngs)
        case "scaled dot":
            return ScaledDotScore()
        case "cosine":
            return CosineScore()
    raise UnknownNameError(f"There is no score called {name!r}. Choose among {', '.join(SCORES)}.")

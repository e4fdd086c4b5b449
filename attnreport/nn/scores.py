"""Scores of a query against a key by their names."""

from flax import nnx
from flax.typing import Dtype

from attnreport._errors import UnknownNameError
from attnreport.nn.additive import AdditiveScore
from attnreport.nn.concat import ConcatScore
from attnreport.nn.cosine import CosineScore
from attnreport.nn.dot import DotScore
from attnreport.nn.general import GeneralScore
from attnreport.nn.scaled_dot import ScaledDotScore
from attnreport.nn.score import Score

SCORES = ("additive", "dot", "general", "concat", "scaled dot", "cosine")


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

"""What the scores of a query against a key have in common."""

from typing import Any, Protocol

from jaxtyping import Array, Float


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

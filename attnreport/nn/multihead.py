"""Multi-head scaled dot-product attention of Vaswani et al. (2017), and what was added to it."""

import math
from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float, Int

from attnreport._errors import InvalidAttentionError
from attnreport.nn.biases import PositionBias
from attnreport.nn.cache import KeyValueCache
from attnreport.nn.capping import soft_cap
from attnreport.nn.grouped import grouped_logits, grouped_mix
from attnreport.nn.masks import combine_masks
from attnreport.nn.rotary import Rotary
from attnreport.nn.sinks import sink_softmax
from attnreport.nn.weights import masked_softmax, sow_attention

Inputs = Float[Array, "batch query features"]
Memory = Float[Array, "batch key key_features"]
Mask = Bool[Array, "..."]
Positions = Int[Array, "*batch time"]
Output = Float[Array, "batch query out_features"]
Weights = Float[Array, "batch head query key"]


class MultiHeadAttention(nnx.Module):
    r"""Attention of several heads, each with its own projections.

    $$W^h = \operatorname{softmax}\left(\frac{Q^h {K^h}^\top}{\sqrt{d}}\right), \quad
    O = \operatorname{concat}_h(W^h V^h)\, W_o$$

    Everything else is off unless it is asked for, and is done in this order: queries and keys are
    normalized, turned by their positions and multiplied; logits are scaled, capped and biased;
    the softmax leaves a part to the sink. Files of their own explain each.

    Parameters have the names and shapes of `flax.nnx.MultiHeadAttention`, so that either loads
    the other's; only `sinks` and `position_bias` have no counterpart there.

    Attributes:
        query: Projection to `[batch, query, head, feature]`.
        key: Projection to `[batch, key, head, feature]`, where heads may be fewer.
        value: Projection to `[batch, key, head, feature]`, with the heads of `key`.
        out: Projection of all heads to the output.
        dropout: Dropout on the weights; `model.eval()` turns it off.
        query_ln: Normalization of the queries of each head, or None.
        key_ln: Normalization of the keys of each head, or None.
        rotary: How queries and keys are turned by their positions, or None.
        position_bias: What is added to logits because of positions, or None.
        sinks: Logit of each head's sink, or None.

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.2. Normalization of
    queries and keys: Dehghani et al. (2023), "Scaling Vision Transformers to 22 Billion
    Parameters", section 2, after Henry et al. (2020), "Query-Key Normalization for Transformers".
    """

    def __init__(
        self,
        num_heads: int,
        in_features: int,
        *,
        qkv_features: int | None = None,
        out_features: int | None = None,
        in_kv_features: int | None = None,
        num_kv_heads: int | None = None,
        scale: float | None = None,
        normalize_qk: Literal["layer", "rms"] | None = None,
        rotary: Rotary | None = None,
        position_bias: PositionBias | None = None,
        cap: float | None = None,
        sink: bool = False,
        use_bias: bool = True,
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            num_heads: Heads of queries.
            in_features: Features of the queries' input.
            qkv_features: Features of all heads of queries together; `in_features` if left out.
            out_features: Features of the output; `in_features` if left out.
            in_kv_features: Features of the keys' and values' input; `in_features` if left out.
            num_kv_heads: Heads of keys and values, each shared by a group of heads of queries;
                one for multi-query attention, `num_heads` if left out.
            scale: Factor of the logits; the square root of one over the features of a head if
                left out.
            normalize_qk: Normalization of queries and keys in each head, with a learned scale.
            rotary: Turns queries and keys by their positions.
            position_bias: Adds to logits what depends on positions, such as `Alibi` or
                `RelativeBias`.
            cap: Bound on the logits, as in `soft_cap`.
            sink: Whether each head has a learned sink, as in `sink_softmax`.
            use_bias: Whether the projections have biases.
            dropout_rate: Share of the weights that training drops.
            dtype: Number format to compute in; that of inputs and parameters if left out.
            rngs: Random numbers for parameters and dropout.

        Raises:
            InvalidAttentionError: Features or heads cannot be shared equally.
        """
        qkv_features = in_features if qkv_features is None else qkv_features
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        _require_shared(qkv_features, num_heads, kv_heads)
        features = qkv_features // num_heads
        keys_in = in_features if in_kv_features is None else in_kv_features

        def projection(inputs: int, heads: int) -> nnx.LinearGeneral:
            shape = (heads, features)
            return nnx.LinearGeneral(inputs, shape, use_bias=use_bias, dtype=dtype, rngs=rngs)

        self.query, self.key, self.value = (
            projection(in_features, num_heads),
            projection(keys_in, kv_heads),
            projection(keys_in, kv_heads),
        )
        self.out = nnx.LinearGeneral(
            (num_heads, features),
            in_features if out_features is None else out_features,
            axis=(-2, -1),
            use_bias=use_bias,
            dtype=dtype,
            rngs=rngs,
        )
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)
        self.query_ln, self.key_ln = (_norm(normalize_qk, features, dtype, rngs) for _ in "qk")
        self.rotary = rotary
        self.position_bias = position_bias
        self.sinks = nnx.Param(jnp.zeros(num_heads)) if sink else None
        self.scale = scale
        self.cap = cap

    def empty_cache(
        self, batch: int, capacity: int, *, dtype: Dtype | None = None
    ) -> KeyValueCache:
        """A cache for `decode` in which nothing was written.

        Args:
            batch: Number of examples.
            capacity: Most steps that can be written.
            dtype: Number format of keys and values; that in which they are computed if left out.
        """
        heads, features = self.key.out_features
        dtype = self.key.dtype or self.key.param_dtype if dtype is None else dtype
        return KeyValueCache.empty(batch, capacity, heads, features, dtype=dtype)

    @overload
    def __call__(
        self,
        query: Inputs,
        key: Memory | None = ...,
        value: Memory | None = ...,
        *,
        mask: Mask | None = ...,
        positions: Positions | None = ...,
        key_positions: Positions | None = ...,
    ) -> Output: ...
    @overload
    def __call__(
        self,
        query: Inputs,
        key: Memory | None = ...,
        value: Memory | None = ...,
        *,
        mask: Mask | None = ...,
        positions: Positions | None = ...,
        key_positions: Positions | None = ...,
        return_weights: Literal[True],
    ) -> tuple[Output, Weights]: ...
    def __call__(
        self,
        query: Inputs,
        key: Memory | None = None,
        value: Memory | None = None,
        *,
        mask: Mask | None = None,
        positions: Positions | None = None,
        key_positions: Positions | None = None,
        return_weights: bool = False,
    ) -> Output | tuple[Output, Weights]:
        """The output of each query.

        Args:
            query: What looks.
            key: What is looked at; the queries if left out (self-attention).
            value: What is averaged; the keys if left out.
            mask: True where a query may look at a key; broadcast against
                `[batch, head, query, key]`. A head in which a query may look nowhere adds nothing
                to its output.
            positions: Positions of the queries, counted from 0 if left out. Only `rotary` and
                `position_bias` ask for positions.
            key_positions: Positions of the keys; in self-attention those of the queries if left
                out, otherwise counted from 0.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The output, or `(output, weights)`.
        """
        same_input = key is None or key is query
        key = query if key is None else key
        value = key if value is None else value
        if key_positions is None:
            key_positions = positions if same_input else None
        positions = jnp.arange(query.shape[1]) if positions is None else positions
        key_positions = jnp.arange(key.shape[1]) if key_positions is None else key_positions
        queries, keys = self._queries(query, positions), self._keys(key, key_positions)
        values = self.value(value)
        weights = self._weights(queries, keys, mask, positions, key_positions)
        sow_attention(self, weights, mask, same_input=same_input)
        output = self._output(weights, values)
        return (output, weights) if return_weights else output

    @overload
    def decode(
        self, inputs: Inputs, cache: KeyValueCache, *, mask: Mask | None = ...
    ) -> tuple[Output, KeyValueCache]: ...
    @overload
    def decode(
        self,
        inputs: Inputs,
        cache: KeyValueCache,
        *,
        mask: Mask | None = ...,
        return_weights: Literal[True],
    ) -> tuple[Output, KeyValueCache, Weights]: ...
    def decode(
        self,
        inputs: Inputs,
        cache: KeyValueCache,
        *,
        mask: Mask | None = None,
        return_weights: bool = False,
    ) -> tuple[Output, KeyValueCache] | tuple[Output, KeyValueCache, Weights]:
        """Causal self-attention of the next steps to themselves and to all in a cache.

        One call may take many steps (a prompt) or one. Nothing is stored for `nnx.capture`: inside
        a scan that would leak out of its trace.

        Args:
            inputs: The next steps.
            cache: The steps before; `empty_cache` at first.
            mask: True where a query may look at a key as well; broadcast against
                `[batch, head, query, capacity]`, where keys are places of the cache.
            return_weights: Whether to return the weights too, of all places of the cache.

        Returns:
            The output and the cache with these steps, and the weights if asked for.

        Raises:
            InvalidAttentionError: There is no room in the cache.
        """
        positions = cache.next_positions(inputs.shape[1])
        seen = combine_masks(cache.visible(inputs.shape[1]), mask)
        queries = self._queries(inputs, positions)
        cache = cache.extended(self._keys(inputs, positions), self.value(inputs))
        keys = cache.keys.astype(queries.dtype)
        weights = self._weights(queries, keys, seen, positions, cache.positions)
        output = self._output(weights, cache.values.astype(queries.dtype))
        return (output, cache, weights) if return_weights else (output, cache)

    def _queries(self, inputs: Array, positions: Array) -> Array:
        queries = self.query(inputs)
        queries = queries if self.query_ln is None else self.query_ln(queries)
        return queries if self.rotary is None else self.rotary(queries, positions)

    def _keys(self, inputs: Array, positions: Array) -> Array:
        keys = self.key(inputs)
        keys = keys if self.key_ln is None else self.key_ln(keys)
        return keys if self.rotary is None else self.rotary(keys, positions)

    def _weights(
        self, queries: Array, keys: Array, mask: Mask | None, positions: Array, places: Array
    ) -> Weights:
        # The scale comes before the product, as in Flax, so that both round alike.
        if self.scale is None:
            queries = queries / jnp.asarray(math.sqrt(queries.shape[-1]), queries.dtype)
        else:
            queries = queries * jnp.asarray(self.scale, queries.dtype)
        logits = grouped_logits(queries, keys)
        if self.cap is not None:
            logits = soft_cap(logits, self.cap)
        if self.position_bias is not None:
            bias = self.position_bias(positions, places)
            logits = logits.astype(jnp.promote_types(logits.dtype, bias.dtype)) + bias
        if self.sinks is None:
            return masked_softmax(logits, mask)
        return sink_softmax(logits, self.sinks[...], mask)

    def _output(self, weights: Weights, values: Array) -> Output:
        return self.out(grouped_mix(self.dropout(weights).astype(values.dtype), values))


def _require_shared(features: int, heads: int, kv_heads: int) -> None:
    if features % heads:
        raise InvalidAttentionError(
            f"{features} features cannot be shared equally by {heads} heads. Choose "
            "`qkv_features` as a multiple of `num_heads`."
        )
    if heads % kv_heads:
        raise InvalidAttentionError(
            f"{heads} heads of queries cannot share {kv_heads} heads of keys equally. Choose "
            "`num_heads` as a multiple of `num_kv_heads`."
        )


def _norm(
    kind: Literal["layer", "rms"] | None, features: int, dtype: Dtype | None, rngs: nnx.Rngs
) -> nnx.LayerNorm | nnx.RMSNorm | None:
    if kind is None:
        return None
    if kind == "rms":
        return nnx.RMSNorm(features, dtype=dtype, rngs=rngs)
    return nnx.LayerNorm(features, use_bias=False, dtype=dtype, rngs=rngs)

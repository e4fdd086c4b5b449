"""Attention modules for Flax NNX, which show their weights.

Every module here shows its weights in the same two ways, and both give the weights after the
softmax and before dropout, in float32, as `[batch, head, query, key]`:

* A call with `return_weights=True` returns `(output, weights)` in place of `output`.
* Under `nnx.capture(model, nnx.Intermediate)` a call stores them as `attention_weights`, where
  Flax's own `MultiHeadAttention` stores them when it is told to. Nothing has to be asked for.
"""

from attnreport.nn.additive import AdditiveAttention as AdditiveAttention
from attnreport.nn.masks import causal_mask as causal_mask
from attnreport.nn.masks import combine_masks as combine_masks
from attnreport.nn.masks import padding_mask as padding_mask
from attnreport.nn.masks import window_mask as window_mask
from attnreport.nn.multihead import MultiHeadAttention as MultiHeadAttention
from attnreport.nn.recurrent import GatedRecurrentUnit as GatedRecurrentUnit
from attnreport.nn.weights import masked_softmax as masked_softmax
from attnreport.nn.weights import sow_attention as sow_attention

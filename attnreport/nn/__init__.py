"""Attention modules for Flax NNX, which show their weights.

Every module here shows its weights in the same two ways, and both give the weights after the
softmax and before dropout, in float32, as `[batch, head, query, key]`:

* A call with `return_weights=True` returns `(output, weights)` in place of `output`.
* Under `nnx.capture(model, nnx.Intermediate)` a call stores them as `attention_weights`, where
  Flax's own `MultiHeadAttention` stores them when it is told to. Nothing has to be asked for.

Gates, which do not sum to one, are shown in the same ways: one query looks at all channels or at
all places.
"""

from attnreport.nn.additive import AdditiveAttention as AdditiveAttention
from attnreport.nn.biases import Alibi as Alibi
from attnreport.nn.biases import PositionBias as PositionBias
from attnreport.nn.biases import RelativeBias as RelativeBias
from attnreport.nn.cache import KeyValueCache as KeyValueCache
from attnreport.nn.capping import soft_cap as soft_cap
from attnreport.nn.cbam import CBAM as CBAM
from attnreport.nn.cbam import ChannelAttention as ChannelAttention
from attnreport.nn.cbam import SpatialAttention as SpatialAttention
from attnreport.nn.efficient_channel import EfficientChannelAttention as EfficientChannelAttention
from attnreport.nn.grouped import grouped_logits as grouped_logits
from attnreport.nn.grouped import grouped_mix as grouped_mix
from attnreport.nn.masks import causal_mask as causal_mask
from attnreport.nn.masks import combine_masks as combine_masks
from attnreport.nn.masks import padding_mask as padding_mask
from attnreport.nn.masks import window_mask as window_mask
from attnreport.nn.multihead import MultiHeadAttention as MultiHeadAttention
from attnreport.nn.non_local import NonLocalBlock as NonLocalBlock
from attnreport.nn.patches import PatchEmbedding as PatchEmbedding
from attnreport.nn.recurrent import GatedRecurrentUnit as GatedRecurrentUnit
from attnreport.nn.rotary import Rotary as Rotary
from attnreport.nn.sinks import sink_softmax as sink_softmax
from attnreport.nn.squeeze_excitation import SqueezeExcitation as SqueezeExcitation
from attnreport.nn.weights import masked_softmax as masked_softmax
from attnreport.nn.weights import sow_attention as sow_attention
from attnreport.nn.windows import WindowAttention as WindowAttention
from attnreport.nn.windows import WindowBias as WindowBias

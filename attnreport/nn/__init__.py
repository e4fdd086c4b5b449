"""Attention modules for Flax NNX, which show their weights.

Every module here shows its weights in the same two ways, and both give the weights by which values
are averaged, before dropout, in float32, as `[batch, head, query, key]`. They are those after the
softmax; where something else comes after it, as the bell curve of `PredictedWindow` does, those
after that:

* A call with `return_weights=True` returns `(output, weights)` in place of `output`.
* Under `nnx.capture(model, nnx.Intermediate)` a call stores them as `attention_weights`, where
  Flax's own `MultiHeadAttention` stores them when it is told to. Nothing has to be asked for.

Gates, which do not sum to one, are shown in the same ways: one query looks at all channels or at
all places.
"""

from attnreport.nn.additive import AdditiveAttention as AdditiveAttention
from attnreport.nn.additive import AdditiveScore as AdditiveScore
from attnreport.nn.attention import Attention as Attention
from attnreport.nn.attention_pooling import AttentionPooling as AttentionPooling
from attnreport.nn.biases import Alibi as Alibi
from attnreport.nn.biases import PositionBias as PositionBias
from attnreport.nn.biases import RelativeBias as RelativeBias
from attnreport.nn.cache import KeyValueCache as KeyValueCache
from attnreport.nn.capping import soft_cap as soft_cap
from attnreport.nn.cbam import CBAM as CBAM
from attnreport.nn.cbam import ChannelAttention as ChannelAttention
from attnreport.nn.cbam import SpatialAttention as SpatialAttention
from attnreport.nn.class_token import ClassTokenPooling as ClassTokenPooling
from attnreport.nn.concat import ConcatScore as ConcatScore
from attnreport.nn.cosine import CosineScore as CosineScore
from attnreport.nn.dot import DotScore as DotScore
from attnreport.nn.efficient_channel import EfficientChannelAttention as EfficientChannelAttention
from attnreport.nn.general import GeneralScore as GeneralScore
from attnreport.nn.global_local import GlobalLocalAttention as GlobalLocalAttention
from attnreport.nn.grouped import grouped_logits as grouped_logits
from attnreport.nn.grouped import grouped_mix as grouped_mix
from attnreport.nn.hierarchical import HierarchicalPooling as HierarchicalPooling
from attnreport.nn.hierarchical import HierarchicalWeights as HierarchicalWeights
from attnreport.nn.latents import LatentPooling as LatentPooling
from attnreport.nn.local import PredictedWindow as PredictedWindow
from attnreport.nn.masks import causal_mask as causal_mask
from attnreport.nn.masks import combine_masks as combine_masks
from attnreport.nn.masks import global_mask as global_mask
from attnreport.nn.masks import padding_mask as padding_mask
from attnreport.nn.masks import window_mask as window_mask
from attnreport.nn.multihead import MultiHeadAttention as MultiHeadAttention
from attnreport.nn.non_local import NonLocalBlock as NonLocalBlock
from attnreport.nn.patches import ConvolutionalStem as ConvolutionalStem
from attnreport.nn.patches import PatchEmbedding as PatchEmbedding
from attnreport.nn.recurrent import GatedRecurrentUnit as GatedRecurrentUnit
from attnreport.nn.rotary import Rotary as Rotary
from attnreport.nn.scaled_dot import ScaledDotScore as ScaledDotScore
from attnreport.nn.score import Score as Score
from attnreport.nn.scores import SCORES as SCORES
from attnreport.nn.scores import make_score as make_score
from attnreport.nn.self_attentive import SelfAttentivePooling as SelfAttentivePooling
from attnreport.nn.self_attentive import redundancy_penalty as redundancy_penalty
from attnreport.nn.sinks import sink_softmax as sink_softmax
from attnreport.nn.squeeze_excitation import SqueezeExcitation as SqueezeExcitation
from attnreport.nn.weights import masked_softmax as masked_softmax
from attnreport.nn.weights import sow_attention as sow_attention
from attnreport.nn.windows import WindowAttention as WindowAttention
from attnreport.nn.windows import WindowBias as WindowBias

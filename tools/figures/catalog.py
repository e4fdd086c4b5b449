"""Every figure of the documentation: which run it shows, and which part of the report."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport import Recording
from attnreport.nn import (
    Alibi,
    EfficientChannelAttention,
    GlobalLocalAttention,
    Rotary,
    SqueezeExcitation,
)
from attnreport.recording import Source
from attnreport.tasks.demos import run_demo
from figures import digits, documents, reading


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture of a part of a report.

    Attributes:
        recording: Makes what the report shows.
        part: Selector of the part of the page.
        link: What the page's address ends with: which example, layer and head.
        width: Of the window, in pixels.
    """

    recording: Callable[[], Recording]
    part: str = "#chart-heatmap"
    link: str = ""
    width: int = 600


def demo(name: str, **options: str) -> Callable[[], Recording]:
    """Makes the recording of a demo, trained or from the cache."""
    return functools.partial(run_demo, name, progress=False, **options)


def reader(*, sinusoidal: bool = False, normalized: bool = True, **options: object) -> Callable:
    """Makes the recording of a small language model with options of `MultiHeadAttention`."""
    return functools.partial(
        reading.record_reader,
        reading.multi_head(**options),
        sinusoidal=sinusoidal,
        normalized=normalized,
    )


def global_and_local() -> Recording:
    """An untrained attention over a text in which the first word is chosen."""
    words = sum(reading.texts(1), ())[:24]
    numbers = jnp.asarray([sorted(set(words)).index(word) for word in words])
    inputs = nnx.Embed(len(set(words)), 32, rngs=nnx.Rngs(0))(numbers)[None] * 4
    chosen = jnp.arange(len(words))[None] == 0
    attention = GlobalLocalAttention(1, 32, before=3, after=3, rngs=nnx.Rngs(1))
    _, weights = attention(inputs, chosen, return_weights=True)
    weights = np.asarray(jax.device_get(weights))
    return Recording.from_arrays(
        weights, tokens=list(words), mask=weights[0, 0] > 0, source=Source(model="Untrained")
    )


FIGURES = {
    "additive": Figure(demo("translation")),
    "luong": Figure(demo("translation", attention="general")),
    "local": Figure(demo("translation", attention="local-p")),
    "multi-head": Figure(demo("translation", model="transformer"), "#chart-overview"),
    "masks": Figure(demo("translation", model="transformer"), link="#e0g2L0H0"),
    "cosine": Figure(
        functools.partial(
            digits.record_digits, digits.ByCosine, digits.FEATURES, digits.place_to_place
        ),
        "#chart-map-key",
        link="#L0H0q28k28",
    ),
    "grouped-query": Figure(reader(num_kv_heads=2, rotary=Rotary()), "#chart-overview"),
    "sinks": Figure(reader(sinusoidal=True, sink=True, normalized=False), link="#L1H0"),
    "positions": Figure(reader(position_bias=Alibi(reading.HEADS)), "#chart-overview"),
    "windows": Figure(global_and_local),
    "pooling": Figure(demo("keywords"), "#strip-key"),
    "hierarchical": Figure(documents.record_document, "#strip-key"),
    "self-attentive": Figure(demo("keywords", attention="self-attentive")),
    "class-token": Figure(
        functools.partial(
            digits.record_digits,
            digits.ByClassToken,
            digits.FEATURES,
            digits.pooled_by(["class"], "class"),
        ),
        "#chart-map-key",
        link="#L0H0",
    ),
    "latents": Figure(
        functools.partial(
            digits.record_digits,
            digits.ByLatents,
            4 * digits.FEATURES,
            digits.pooled_by([f"latent {number}" for number in range(4)]),
        ),
        "#chart-map-key",
    ),
    "squeeze-excitation": Figure(
        functools.partial(
            digits.record_gates,
            lambda rngs: digits.ByChannelGate(
                SqueezeExcitation(digits.FEATURES, reduction=4, rngs=rngs)
            ),
        ),
        "#chart-channels",
    ),
    "efficient-channel": Figure(
        functools.partial(
            digits.record_gates,
            lambda rngs: digits.ByChannelGate(
                EfficientChannelAttention(digits.FEATURES, rngs=rngs)
            ),
        ),
        "#chart-channels",
    ),
    "cbam": Figure(demo("images", attention="cbam"), "#chart-map-key"),
    "non-local": Figure(demo("images", attention="non-local"), "#chart-map-key"),
    "vision-transformer": Figure(demo("images", model="vit"), "#chart-map-key"),
    "shifted-windows": Figure(
        functools.partial(
            digits.record_digits, digits.ByWindows, digits.FEATURES, digits.window_by_window
        ),
        "#chart-map-key",
        link="#L0H0q28k28",
    ),
}

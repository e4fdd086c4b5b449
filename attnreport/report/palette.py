"""The two color sequences for weights.

Both end in the page's own color at zero, so ink means attention.
Lightness is strictly monotone for normal, protan, deutan and tritan vision; a test measures it.
"""

import numpy as np
from jaxtyping import Float

LIGHT = (
    *("#ffffff", "#e6f4ec", "#c0e4d3", "#8fcfbd", "#5cb6ad", "#3a9aa3"),
    *("#2f7c95", "#345e87", "#3a4274", "#332a59", "#1f1437"),
)
DARK = (
    *("#14181f", "#1d2739", "#27385b", "#2f4c7c", "#306693", "#30829f"),
    *("#3a9ea3", "#5bbaa5", "#8ed4ad", "#c6e9c2", "#f5fadb"),
)


def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of `#rrggbb`, each from 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def palette_bytes(ramp: tuple[str, ...]) -> bytes:
    """256 colors along the ramp as red, green, blue bytes, the palette of an indexed picture."""
    stops: Float[np.ndarray, "stop channel"] = np.array([hex_to_rgb(color) for color in ramp])
    at = np.linspace(0, len(ramp) - 1, 256)
    channels = [np.interp(at, np.arange(len(ramp)), stops[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes()

"""The color sequences for weights, and those for differences of weights.

All have the page's own color at zero, so ink means attention, or that it changed.
Lightness is strictly monotone from zero on for normal, protan, deutan and tritan vision, and a
difference never looks like its opposite; tests measure both.
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
# From much less through no difference to much more.
LIGHT_CHANGE = (
    *("#1d2a72", "#3a53a8", "#6580cc", "#9db0e4", "#d2daf4"),
    *("#ffffff", "#f6d5b6", "#e8a15f", "#c96f20", "#944d0d", "#562a04"),
)
DARK_CHANGE = (
    *("#cfd8ff", "#9fb1f7", "#6f87dd", "#4a5fae", "#2c3868"),
    *("#14181f", "#4f331b", "#8a5a26", "#c3853c", "#e8b377", "#fbe0c0"),
)


def ramps() -> dict[str, tuple[str, ...]]:
    """What the page's scripts read: the sequences of both modes, by name."""
    return {"light": LIGHT, "dark": DARK, "lightChange": LIGHT_CHANGE, "darkChange": DARK_CHANGE}


def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of `#rrggbb`, each from 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def palette_bytes(ramp: tuple[str, ...]) -> bytes:
    """256 colors along the ramp as red, green, blue bytes, the palette of an indexed picture."""
    stops: Float[np.ndarray, "stop channel"] = np.array([hex_to_rgb(color) for color in ramp])
    at = np.linspace(0, len(ramp) - 1, 256)
    channels = [np.interp(at, np.arange(len(ramp)), stops[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes()

"""Colors as the eye orders them."""

import numpy as np
from jaxtyping import UInt8

from attnreport.report.palette import DARK, LIGHT, hex_to_rgb

PAPER, INK = hex_to_rgb(LIGHT[0]), hex_to_rgb(LIGHT[-1])
NIGHT, GLOW = hex_to_rgb(DARK[0]), hex_to_rgb(DARK[-1])

# What is drawn where there is no weight, between the lines of the hatch and on them.
HATCH = {
    "light": ((0xEA, 0xE8, 0xE4), (0xBD, 0xB8, 0xAE)),
    "dark": ((0x10, 0x0C, 0x0A), (0x4A, 0x43, 0x3C)),
}

Color = tuple[int, ...] | UInt8[np.ndarray, " channel"]


def luminance(color: Color) -> float:
    """Relative luminance from 0 to 1 (WCAG 2.2)."""
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in color[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def near(first: Color, second: Color, *, within: int = 2) -> bool:
    """Whether two colors differ by rounding only."""
    pairs = zip(first[:3], second[:3], strict=True)
    return all(abs(int(a) - int(b)) <= within for a, b in pairs)


def is_hatched(color: Color, mode: str = "light") -> bool:
    """Whether a color is one of those of a hatch."""
    return any(near(color, each) for each in HATCH[mode])


def distinct(rows: UInt8[np.ndarray, "row column channel"]) -> list[tuple[int, ...]]:
    """The different colors of a picture."""
    return [tuple(map(int, color)) for color in np.unique(rows.reshape(-1, 4), axis=0)]

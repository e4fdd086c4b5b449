import re

import numpy as np
import pytest

from attnreport._resources import templates_root
from attnreport.charts.theme import PARAMETERS, SIDES, SKIN
from attnreport.report.assets import style_sheet
from attnreport.report.palette import (
    DARK,
    DARK_CHANGE,
    LIGHT,
    LIGHT_CHANGE,
    hex_to_rgb,
    palette_bytes,
)

# Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def linear(rgb):
    """Linear light of sRGB bytes (IEC 61966-2-1)."""
    share = np.asarray(rgb) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lightness(rgb, vision):
    """CIE 1976 L* of the color as someone with that vision sees it."""
    light = np.clip(linear(rgb) @ VISION[vision].T, 0, 1) @ LUMINANCE
    return np.where(light <= 216 / 24389, light * 24389 / 27, 116 * np.cbrt(light) - 16)


def panel_colors():
    """The color of the cards, light and dark, as the style sheet sets it on screen."""
    screen = style_sheet().split("@media print")[0]
    return re.findall(r"--panel:\s*(#[0-9a-f]{6})", screen)


def test_lightness_is_that_of_the_standard():
    assert lightness([255, 255, 255], "normal") == pytest.approx(100, abs=0.01)
    assert lightness([119, 119, 119], "normal") == pytest.approx(50, abs=0.1)


@pytest.mark.parametrize("vision", VISION)
def test_white_stays_white_in_every_vision(vision):
    assert lightness([255, 255, 255], vision) == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("ramp", "sign"), [(LIGHT, -1), (DARK, 1)])
def test_more_weight_is_always_further_from_the_page(ramp, sign, vision):
    stops = np.array([hex_to_rgb(color) for color in ramp])
    assert (sign * np.diff(lightness(stops, vision)) > 0).all()


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("ramp", "sign"), [(LIGHT, -1), (DARK, 1)])
def test_the_colors_between_the_stops_keep_the_order(ramp, sign, vision):
    colors = np.frombuffer(palette_bytes(ramp), dtype=np.uint8).reshape(256, 3)
    # Bytes are rounded, so neighbors may tie; every tenth step must differ.
    steps = sign * np.diff(lightness(colors, vision)[::10])
    assert (steps > 0).all()


def lab(rgb, vision):
    """CIE 1976 L*a*b* of the color as someone with that vision sees it, under D65."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    light = np.clip(linear(rgb) @ VISION[vision].T, 0, 1)
    shares = light @ to_xyz.T / np.array([0.95047, 1, 1.08883])
    roots = np.where(shares > 216 / 24389, np.cbrt(shares), (24389 / 27 * shares + 16) / 116)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("ramp", "sign"), [(LIGHT_CHANGE, -1), (DARK_CHANGE, 1)])
def test_more_change_is_always_further_from_the_page_on_either_side(ramp, sign, vision):
    colors = lightness(np.array([hex_to_rgb(color) for color in ramp]), vision)
    middle = len(ramp) // 2
    assert (sign * np.diff(colors[middle:]) > 0).all()
    assert (sign * np.diff(colors[middle::-1]) > 0).all()


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("ramp", [LIGHT_CHANGE, DARK_CHANGE])
def test_less_never_looks_like_more(ramp, vision):
    colors = lab(np.array([hex_to_rgb(color) for color in ramp]), vision)
    middle = len(ramp) // 2
    for step in range(1, middle + 1):
        apart = np.linalg.norm(colors[middle - step] - colors[middle + step])
        assert apart > 20, step
        # Neither side is the louder one.
        assert abs(colors[middle - step, 0] - colors[middle + step, 0]) < 8, step


def test_no_change_is_the_color_of_the_card():
    assert panel_colors() == [LIGHT_CHANGE[5], DARK_CHANGE[5]]


def test_zero_weight_is_the_color_of_the_card():
    assert panel_colors() == [LIGHT[0], DARK[0]]


@pytest.mark.parametrize("ramp", [LIGHT, DARK])
def test_the_table_of_colors_starts_and_ends_with_the_ramp(ramp):
    colors = palette_bytes(ramp)
    assert len(colors) == 768
    assert tuple(colors[:3]) == hex_to_rgb(ramp[0])
    assert tuple(colors[-3:]) == hex_to_rgb(ramp[-1])


def test_the_page_gets_the_same_ramps(page):
    assert page.manifest()["ramps"] == {
        "light": list(LIGHT),
        "dark": list(DARK),
        "lightChange": list(LIGHT_CHANGE),
        "darkChange": list(DARK_CHANGE),
    }


def test_hex_colors_are_read():
    assert hex_to_rgb("#0a80ff") == (10, 128, 255)


# Signals of the charts, and the variables of the style sheet that they follow.
SIGNALS = {
    "bg": "--panel",
    "fg": "--ink",
    "muted": "--muted",
    "rule": "--line",
    "accent": "--accent",
    "gold": "--gold",
    "first": "--first",
    "second": "--second",
}


def variables(selector):
    """The variables that the first rule with the selector sets in the style sheet."""
    rule = re.search(rf"{re.escape(selector)} {{([^}}]*)}}", style_sheet())
    assert rule
    return dict(re.findall(r"(--[\w-]+): ([^;]+);", rule[1]))


def test_the_charts_start_in_the_colors_of_the_page():
    light = variables(":root,\n.paper")
    assert {name: PARAMETERS[name] for name in SIGNALS} == {
        name: light[variable] for name, variable in SIGNALS.items()
    }


def test_the_page_tells_the_charts_those_same_colors():
    source = templates_root().joinpath("page", "signals.js").read_text(encoding="utf-8")
    assert dict(re.findall(r'(\w+): "(--\w+)",', source)) == SIGNALS
    assert set(SIGNALS) | {"dark", "scheme"} == {*SKIN, *SIDES}


def test_a_weight_of_zero_has_the_color_of_the_page():
    dark = re.search(r"@media \(prefers-color-scheme: dark\) {\s*", style_sheet())
    assert dark
    assert LIGHT[0] == variables(":root,\n.paper")["--panel"]
    assert DARK[0] == variables(dark[0] + ":root")["--panel"]


def test_no_script_of_the_page_has_a_color_of_its_own():
    for script in templates_root().joinpath("page").iterdir():
        assert not re.search(
            r"#[\da-f]{6}|0x[\da-f]{6,}",
            script.read_text(encoding="utf-8").replace("0xff000000", ""),
        )

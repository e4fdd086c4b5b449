"""`attnreport compare`: which heads changed most."""

import json

import numpy as np
import pytest

from attnreport import Recording, TokenAxis, save_recording
from attnreport.recording import AttentionMap, Example


@pytest.fixture
def recordings(tmp_path):
    """Two recordings of two examples; head 1 of layer 1 looks elsewhere in the second."""
    axis = TokenAxis(("a", "</script>", "\u05d0", "\0"))
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(4), (2, 2, 2, 4)).astype(np.float32)
    for name in ("first", "second"):
        if name == "second":
            weights = weights.copy()
            weights[1, 1, 1] = weights[1, 1, 1, :, ::-1]
        examples = [
            Example(
                f"text {number}",
                tuple(AttentionMap(f"layer.{n}", maps[n], axis, axis) for n in range(2)),
            )
            for number, maps in enumerate(weights)
        ]
        save_recording(Recording(tuple(examples)), tmp_path / f"{name}.attn")
    return str(tmp_path / "first.attn"), str(tmp_path / "second.attn")


def test_the_most_changed_head_comes_first(recordings, invoke):
    printed = invoke("compare", *recordings, "--most", "2").output
    assert f"{recordings[0]} and {recordings[1]}: 4 heads in 2 examples." in printed
    assert "The most changed is L1 H1, at a distance of" in printed
    lines = printed.splitlines()
    (at,) = [n for n, line in enumerate(lines) if line.startswith("head")]
    assert lines[at].split() == ["head", "distance", "most", "in", "there"]
    assert lines[at + 1].startswith("L1 H1")
    assert "text 1" in lines[at + 1]
    assert lines[at + 3] == "… and 2 more: --most 4 lists all."


def test_json_has_all_heads(recordings, invoke):
    data = json.loads(invoke("compare", *recordings, "--json").output)
    assert data["examples"] == ["text 0", "text 1"]
    assert (data["heads"][0]["layer"], data["heads"][0]["head"]) == (1, 1)
    assert data["heads"][1]["distance"] == 0
    assert data["heads"][0]["largest"] == pytest.approx(2 * data["heads"][0]["distance"])


def test_a_recording_and_itself(recordings, invoke):
    printed = invoke("compare", recordings[0], recordings[0]).output
    assert "All of them look at the same positions with the same weights." in printed

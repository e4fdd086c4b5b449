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


def test_a_page_is_written_and_named(recordings, invoke, tmp_path):
    done = invoke("compare", *recordings, "-o", tmp_path / "diff.html", "--title", "Both")
    assert done.exit_code == 0
    assert done.output.startswith(f"Comparison: {tmp_path / 'diff.html'} (")
    page = (tmp_path / "diff.html").read_text(encoding="utf-8")
    assert "<h1>Both</h1>" in page
    assert page.rstrip().endswith("</html>")


def test_an_earlier_page_is_replaced_and_a_foreign_file_is_not(recordings, invoke, tmp_path):
    page = tmp_path / "diff.html"
    assert invoke("compare", *recordings, "-o", page).exit_code == 0
    assert invoke("compare", *recordings, "-o", page).exit_code == 0
    page.write_text("my thesis")
    done = invoke("compare", *recordings, "-o", page)
    assert done.exit_code == 1
    assert "exists and is not an attnreport report" in done.output
    assert page.read_text() == "my thesis"
    assert invoke("compare", *recordings, "-o", page, "--force").exit_code == 0


def test_what_cannot_be_compared_leaves_no_file(recordings, invoke, tmp_path):
    axis = TokenAxis(("x", "y"))
    maps = (AttentionMap("other", np.full((5, 2, 2), 0.5, np.float32), axis, axis),)
    save_recording(Recording((Example("z", maps),)), tmp_path / "other.attn")
    before = sorted(tmp_path.iterdir())
    done = invoke("compare", recordings[0], tmp_path / "other.attn", "-o", tmp_path / "d.html")
    assert done.exit_code == 1
    assert "Nothing of the two recordings can be compared" in done.output
    assert "Traceback" not in done.output
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_missing_is_said_before_anything_is_read(invoke, tmp_path):
    done = invoke("compare", "no.attn", "none.attn", "-o", tmp_path / "no" / "d.html")
    assert done.exit_code == 1
    assert "There is no folder" in done.output


@pytest.mark.parametrize("option", [["--title", "x"], ["--force"], ["--precision", "u8"]])
def test_options_of_a_page_need_a_page(recordings, invoke, option):
    done = invoke("compare", *recordings, *option)
    assert done.exit_code == 2
    assert "say with -o where to write it" in done.output


def test_a_page_and_json_are_not_written_at_once(recordings, invoke):
    done = invoke("compare", *recordings, "-o", "d.html", "--json")
    assert done.exit_code == 2
    assert "Choose one of -o" in done.output


def test_a_page_over_its_budget_says_how_much_it_needs(recordings, invoke, tmp_path):
    done = invoke("compare", *recordings, "-o", tmp_path / "d.html", "--budget", "0.000001")
    assert done.exit_code == 1
    assert "Allow more with `--budget 1`" in done.output
    assert not (tmp_path / "d.html").exists()

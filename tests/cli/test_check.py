import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from attnreport.analysis import check_drift
from attnreport.recording import AttentionMap, Example, Recording, Source, TokenAxis

STRAIGHT = np.eye(2, dtype=np.float32)
BENT = np.array([[0.5, 0.5], [0, 1]], np.float32)


def recording(*heads, name="layer", tokens="ab", model="", groups=1):
    axis = TokenAxis(tuple(tokens))
    maps = [
        AttentionMap(f"{name} {group}", np.stack(heads), axis, axis, group=f"group {group}")
        for group in range(groups)
    ]
    return Recording((Example("text", tuple(maps)),), source=Source(model=model))


@pytest.fixture
def saved(tmp_path):
    """A function that saves a recording under a name."""

    def save(target, *heads, **options):
        recording(*heads, **options).save(tmp_path / target)

    return save


def test_a_model_that_did_not_change_passes(invoke, saved):
    saved("old", STRAIGHT, BENT)
    saved("new", STRAIGHT, BENT)
    result = invoke("check", "new", "--against", "old")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(
        "new agrees with old: 2 heads in 1 example, all within tolerance.\n"
        "\n"
        "statistic           tolerance  largest change  heads beyond  largest in\n"
        "row distance            0.100           0.000             -  -\n"
        "entropy                 0.200           0.000             -  -\n"
    )


def test_a_head_that_changed_is_named(invoke, saved):
    saved("old", STRAIGHT, STRAIGHT)
    saved("new", STRAIGHT, BENT)
    result = invoke("check", "new", "--against", "old")
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith(
        "new differs from old: 1 of 2 heads in 1 example is beyond tolerance.\n"
        "\n"
        "head   statistic           baseline   here  change  tolerance\n"
        "L0 H1  normalized entropy     0.000  0.500  +0.500      0.050\n"
        "       next                   0.000  0.500  +0.500      0.050\n"
        "       confidence             1.000  0.750  -0.250      0.050\n"
        "       itself                 1.000  0.750  -0.250      0.050\n"
        "       first                  0.500  0.250  -0.250      0.050\n"
    )
    assert "       row distance               -  0.279  +0.279      0.100\n" in result.stdout
    assert "entropy                 0.200          +0.500             1  L0 H1\n" in result.stdout


def test_tolerances_are_stated(invoke, saved):
    saved("old", STRAIGHT)
    saved("new", BENT)
    names = ["first", "itself", "next", "sink", "diagonality", "monotonicity", "confidence"]
    names += ["normalized-entropy", "row-distance", "entropy"]
    loose = [text for name in names for text in ("--tolerance", f"{name}=0.5")]
    assert invoke("check", "new", "--against", "old", *loose).exit_code == 0
    again = invoke("check", "new", "--against", "old", *loose, "--tolerance", "entropy=0.4")
    assert again.exit_code == 1
    assert "L0 H0  entropy       0.000  0.500  +0.500      0.400\n" in again.stdout
    without = invoke("check", "new", "--against", "old", *loose, "--tolerance", "entropy=inf")
    assert without.exit_code == 0
    assert "entropy" not in without.stdout.replace("normalized entropy", "")


def test_the_farthest_heads_come_first_and_the_rest_is_counted(invoke, saved):
    saved("old", *[STRAIGHT] * 4)
    half = (STRAIGHT + BENT) / 2
    saved("new", STRAIGHT, half, BENT, half)
    result = invoke("check", "new", "--against", "old", "--most", "2")
    lines = result.stdout.splitlines()
    assert "3 of 4 heads in 1 example are beyond" in lines[0]
    assert [line[:5] for line in lines if line.startswith("L0")] == ["L0 H2", "L0 H1"]
    assert "… and 1 more head: --most 3 lists all." in lines


def test_groups_are_told_apart(invoke, saved):
    saved("old", STRAIGHT, STRAIGHT, groups=2)
    saved("new", BENT, BENT, groups=2)
    lines = invoke("check", "new", "--against", "old").stdout.splitlines()
    assert lines[3] == "group 0"
    assert [line for line in lines if line.startswith("group")] == ["group 0", "group 1"]
    assert any(line.endswith("L0 H0 of group 0") for line in lines)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"tokens": "abc"},
            "- map 'layer 0' has 2 queries x 2 keys here and 3 queries x 3 keys in the baseline "
            "(example 'text')",
        ),
        (
            {"tokens": "xb", "groups": 2},
            "- map 'layer 0' has another query: position 0 is 'a' here and 'x' in the baseline "
            "(example 'text')",
        ),
        ({"groups": 2}, "- map 'layer 1' is missing: only the baseline has it (example 'text')"),
        (
            {"groups": 6},
            "- 5 maps ('layer 1', 'layer 2', 'layer 3' and 2 more) are missing: only the baseline "
            "has them (example 'text')",
        ),
    ],
)
def test_what_else_differs_is_said(invoke, saved, options, line):
    size = len(options.get("tokens", "ab"))
    saved("old", np.eye(size, dtype=np.float32), **options)
    saved("new", STRAIGHT)
    result = invoke("check", "new", "--against", "old")
    assert result.exit_code == 1
    assert line in result.stdout.splitlines()


def test_missing_heads_and_another_model_are_said(invoke, saved):
    saved("old", STRAIGHT, STRAIGHT, model="large")
    saved("new", STRAIGHT, model="small")
    result = invoke("check", "new", "--against", "old")
    assert result.exit_code == 1
    assert result.stdout == (
        "new cannot be compared with old: no map of an example that both have looks at the same "
        "positions in both.\n"
        "\n"
        "The model is 'small' here and 'large' in the baseline.\n"
        "\n"
        "differences\n"
        "- map 'layer 0' has 1 head here and 2 in the baseline (example 'text')\n"
    )


def test_missing_examples_are_said(invoke, tmp_path):
    base = recording(STRAIGHT)
    first = base.examples[0]
    more = [dataclasses.replace(first, name=f"text {number}") for number in range(2)]
    dataclasses.replace(base, examples=(first, *more)).save(tmp_path / "old")
    base.save(tmp_path / "new")
    result = invoke("check", "new", "--against", "old")
    assert result.exit_code == 1
    assert result.stdout.startswith("new differs from old: 1 other difference.\n")
    line = "- 2 examples ('text 0', 'text 1') are missing: only the baseline has them"
    assert line in result.stdout.splitlines()


def test_a_program_reads_json(invoke, saved):
    saved("old", STRAIGHT, STRAIGHT)
    saved("new", STRAIGHT, BENT)
    result = invoke("check", "new", "--against", "old", "--json", "--tolerance", "entropy=0.3")
    assert result.exit_code == 1
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    assert (found["recording"], found["baseline"], found["within"]) == ("new", "old", False)
    assert (found["heads"], found["heads_beyond"], found["examples"]) == (2, 1, 1)
    expected = check_drift(
        recording(STRAIGHT, BENT), recording(STRAIGHT, STRAIGHT), {"entropy": 0.3}
    )
    assert len(found["drifts"]) == len(expected.drifts)
    (entropy,) = (
        each for each in found["drifts"] if each["head"] == 1 and each["statistic"] == "entropy"
    )
    assert entropy == {
        "map": "layer 0",
        "call": 0,
        "group": "group 0",
        "layer": 0,
        "head": 1,
        "statistic": "entropy",
        "value": pytest.approx(0.5),
        "baseline": pytest.approx(0),
        "tolerance": 0.3,
        "difference": pytest.approx(0.5),
        "beyond": True,
    }
    saved("other", STRAIGHT, name="other", groups=3)
    other = json.loads(invoke("check", "other", "--against", "old", "--json").stdout)
    assert {"what", "maps", "examples"} == set(other["differences"][0])


def test_a_value_that_only_one_has_is_null_in_json(invoke, tmp_path):
    axis = TokenAxis(("a", "b"))
    for name, weights in (("old", STRAIGHT), ("new", 0 * STRAIGHT)):
        attention = AttentionMap(
            "gate", weights[np.newaxis], axis, axis, kind="gate", normalized=False
        )
        Recording((Example("text", (attention,)),)).save(tmp_path / name)
    result = invoke("check", "new", "--against", "old")
    assert result.exit_code == 1
    assert "L0 H0  entropy" in result.stdout
    assert "no value" in result.stdout
    found = json.loads(invoke("check", "new", "--against", "old", "--json").stdout)
    strength, entropy = found["drifts"][:2]
    assert (strength["statistic"], strength["value"], strength["baseline"]) == ("strength", 0, 1)
    assert (entropy["statistic"], entropy["value"], entropy["beyond"]) == ("entropy", None, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "new"), "Missing option '--against'"),
        (("check", "--against", "new"), "Missing argument 'RECORDING'"),
        (("check", "new", "--against", "none"), "Error: There is nothing at none."),
        (("check", "none", "--against", "new"), "Error: There is nothing at none."),
        (("check", "new", "--against", "new", "--tolerance", "sink"), "is not of the form"),
        (("check", "new", "--against", "new", "--tolerance", "sunk=1"), "is not one of row"),
        (("check", "new", "--against", "new", "--tolerance", "sink=-1"), "is no tolerance"),
    ],
)
def test_a_check_that_cannot_be_made_exits_with_2(invoke, saved, arguments, message):
    saved("new", STRAIGHT)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_what_goes_wrong_in_between_is_no_drift(invoke, saved, monkeypatch):
    saved("new", STRAIGHT)
    monkeypatch.setattr("attnreport.analysis.check_drift", lambda *_: 1 / 0)
    result = invoke("check", "new", "--against", "new")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: Something unexpected happened (ZeroDivisionError")
    assert "Traceback" in invoke("check", "new", "--against", "new", "--debug").stderr
    # Other commands exit as before.
    assert invoke("info", "none").exit_code == 1


def test_hostile_texts_do_nothing_to_the_terminal(invoke, hostile_tokens, tmp_path):
    texts = [*hostile_tokens, "\x1b[2J", "\ud800", "\x07"]
    weights = np.full((1, 2, 2), 0.5, np.float32)
    for target, last in (("old", "x"), ("new", "\x1b[2J")):
        maps = []
        for number, text in enumerate(texts):
            axis = TokenAxis(("a", last if number == 0 else "b"))
            maps.append(AttentionMap(text or "empty", weights, axis, axis, group=text))
        heads = Example(f"\x1b]0;{texts[0]}", tuple(maps))
        Recording((heads,), source=Source(model=f"\x1b{target}")).save(f"memory://check/{target}")
    for arguments in ((), ("--json",)):
        result = invoke(
            "check", "memory://check/new", "--against", "memory://check/old", *arguments
        )
        assert result.exit_code == 1, result.output
        assert all(each.isprintable() or each in "\n\u200d" for each in result.stdout)


def test_a_check_needs_neither_jax_nor_a_terminal(tmp_path):
    recording(STRAIGHT).save(tmp_path / "run.attn")
    code = "import sys; sys.modules['jax'] = None; from attnreport.cli.main import main; main()"
    path = str(tmp_path / "run.attn")
    done = subprocess.run(
        [sys.executable, "-c", code, "check", path, "--against", path],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TERM": "dumb"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "agrees with" in done.stdout

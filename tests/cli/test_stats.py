import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from attnreport.analysis import summarize_examples
from attnreport.cli import head_table
from attnreport.recording import AttentionMap, Example, Recording, Source, TokenAxis

TOKENS = tuple("abcdefgh")


def one_place_on(shift):
    """Each token looks at the one so many places on, the ends at themselves."""
    size = len(TOKENS)
    return np.eye(size, dtype=np.float32)[np.clip(np.arange(size) + shift, 0, size - 1)]


@pytest.fixture
def path(tmp_path):
    """Two examples of two layers with two heads, whose patterns are plain."""
    axis = TokenAxis(TOKENS)
    before, after, broad = one_place_on(-1), one_place_on(1), np.full((8, 8), 1 / 8, np.float32)

    def example(name, *layers):
        maps = [
            AttentionMap(f"block.{number}.attention", np.stack(heads), axis, axis)
            for number, heads in enumerate(layers)
        ]
        return Example(name, tuple(maps))

    recording = Recording(
        (
            example("one", (before, broad), (after, broad)),
            example("two", (before, broad), (before, broad)),
        ),
        source=Source(model="a model"),
    )
    recording.save(tmp_path / "run.attn")
    return tmp_path / "run.attn"


def test_a_person_reads_a_table(invoke, path):
    result = invoke("stats", "run.attn")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "run.attn: 4 heads in 2 examples\n"
        "model: a model\n"
        "\n"
        "head   entropy  confidence  mean distance   sink  patterns\n"
        "L0 H0     0.00      100.0%           0.88  25.0%  previous token, local window\n"
        "L0 H1     3.00       12.5%           2.62  12.5%  broad\n"
        "L1 H0     0.00      100.0%           0.88  25.0%  previous token 1/2, next token 1/2, "
        "local window\n"
        "L1 H1     3.00       12.5%           2.62  12.5%  broad\n"
        "\n"
        "pattern         heads  clearest in\n"
        "previous token      2  L0 H0 100%, L1 H0 100%\n"
        "next token          1  L1 H0 100%\n"
        "local window        2  L0 H0 100%, L1 H0 100%\n"
        "broad               2  L0 H1 100%, L1 H1 100%\n"
    )


def heads(result):
    assert result.exit_code == 0, result.output
    return [(each["layer"], each["head"]) for each in json.loads(result.stdout)["heads"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        (("--layers", "1"), [(1, 0), (1, 1)]),
        (("--heads", "1-3"), [(0, 1), (1, 1)]),
        (("--map", "block.0*"), [(0, 0), (0, 1)]),
        (("--map", "*.0.*", "--map", "block.1.attention"), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        (("--pattern", "broad"), [(0, 1), (1, 1)]),
        (("--pattern", "next-token"), [(1, 0)]),
        (("--pattern", "next-token", "--example", "two"), []),
        (("--pattern", "next-token", "--example", "0"), [(1, 0)]),
        (("--sort", "entropy"), [(0, 1), (1, 1), (0, 0), (1, 0)]),
        (("--sort", "entropy", "--reverse"), [(0, 0), (1, 0), (0, 1), (1, 1)]),
        (("--sort", "keys-for-90%", "--most", "1"), [(0, 1)]),
        (("--sort", "same token", "--layers", "0"), [(0, 0), (0, 1)]),
    ],
)
def test_heads_are_chosen_and_sorted(invoke, path, options, expected):
    assert heads(invoke("stats", path, "--json", *options)) == expected


def test_json_holds_all_that_was_measured(invoke, path):
    result = invoke("stats", path, "--json")
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    assert (found["model"], found["examples"]) == ("a model", ["one", "two"])
    assert found["statistics"]["entropy"]["unit"] == "bits"
    assert found["patterns"]["broad"] == "Rows look at nearly everything alike."
    third = found["heads"][2]
    assert (third["map"], third["call"], third["group"]) == (
        "block.1.attention",
        0,
        "self-attention",
    )
    assert third["statistics"]["next"] == {
        "mean": pytest.approx(0.5),
        "deviation": pytest.approx(0.5**0.5),
        "chance": pytest.approx(1 / 8),
        "examples": 2,
    }
    assert third["patterns"]["next token"] == {
        "shown": True,
        "found": 1,
        "measured": 2,
        "clearest": [{"value": 1.0, "example": "one"}, {"value": 0.0, "example": "two"}],
    }
    alone = json.loads(invoke("stats", path, "--json", "--example", "one").stdout)
    assert alone["heads"][0]["statistics"]["entropy"]["deviation"] is None


def test_csv_has_a_line_for_each_head(invoke, path):
    rows = list(csv.DictReader(io.StringIO(invoke("stats", path, "--csv").stdout)))
    assert [(row["layer"], row["head"]) for row in rows] == [*zip("0011", "0101", strict=True)]
    assert float(rows[1]["entropy"]) == pytest.approx(3)
    assert float(rows[0]["previous, by chance"]) == pytest.approx(1 / 8)
    assert rows[0]["patterns"] == "previous token; local window"
    assert "same token" not in rows[0]


def test_columns_are_those_that_one_names(invoke, path):
    def headings(*options):
        return invoke("stats", path, *options).stdout.splitlines()[3].split()

    assert headings("--columns", "itself,next") == ["head", "itself", "next", "patterns"]
    # What the heads are sorted by is shown too; what no head has, is not.
    assert headings("--columns", "same token,next", "--sort", "first") == [
        *("head", "first", "next", "patterns")
    ]


def test_many_heads_are_shown_in_part(invoke, path, tmp_path, softmax_weights):
    many = Recording.from_arrays(softmax_weights(10, 5, 4, 4), tokens=list("abcd"))
    many.save(tmp_path / "many.attn")

    def lines(*options):
        result = invoke("stats", "many.attn", *options)
        assert result.exit_code == 0
        return [line for line in result.stdout.splitlines() if line.startswith("L")], result.stdout

    shown, text = lines()
    assert len(shown) == head_table.MOST == 48
    assert "… 2 more: choose among them" in text
    assert len(lines("--all")[0]) == 50
    assert "more" not in lines("--all")[1]
    assert len(lines("--most", "7")[0]) == 7
    # Patterns are those of all heads, shown or not.
    assert lines("--most", "7")[1].partition("\npattern")[2] == text.partition("\npattern")[2] != ""
    assert len(heads(invoke("stats", "many.attn", "--json"))) == 50


def test_groups_are_told_apart(invoke, path, tmp_path, tiny_recording, softmax_weights):
    cross = Recording.from_arrays(
        softmax_weights(1, 1, 5, 3), tokens=list("vwxyz"), key_tokens=list("abc")
    )
    Recording.join_groups([tiny_recording, cross]).save(tmp_path / "two.attn")
    lines = invoke("stats", "two.attn").stdout.splitlines()
    assert lines[4] == "self-attention"
    assert lines[11] == "cross-attention"
    assert lines[12].split()[:2] == ["L0", "H0"]
    assert lines[12].split()[4] == "-"  # no distance between two texts
    for options in ((), ("--reverse",)):
        found = invoke("stats", "two.attn", "--json", "--sort", "mean-distance", *options)
        groups = [each["group"] for each in json.loads(found.stdout)["heads"]]
        assert groups == ["self-attention"] * 6 + ["cross-attention"]


def test_names_of_examples_come_before_their_numbers(invoke, tmp_path, tiny_recording):
    maps = tiny_recording.examples[0].maps
    Recording((Example("1", maps), Example("0", maps))).save(tmp_path / "run.attn")
    found = invoke("stats", "run.attn", "--json", "--example", "1")
    assert json.loads(found.stdout)["examples"] == ["1"]


def test_a_terminal_gets_lines_that_fit(path, monkeypatch, invoke):
    monkeypatch.setattr("attnreport.cli.stats.line_width", lambda: 60)
    lines = invoke("stats", "run.attn").stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[4].endswith("  previous…")
    wide = invoke("stats", path, "-o", "table.txt")
    assert wide.exit_code == 0
    assert "local window" in path.with_name("table.txt").read_text()


def test_a_file_is_written_and_none_replaced(invoke, path, tmp_path):
    result = invoke("stats", path, "--json", "-o", "stats.json")
    assert result.stdout == f"Statistics: {tmp_path / 'stats.json'}\n"
    written = (tmp_path / "stats.json").read_text()
    assert json.loads(written) == json.loads(invoke("stats", path, "--json").stdout)
    again = invoke("stats", path, "--csv", "-o", "stats.json")
    assert again.exit_code == 1
    assert again.stderr == (
        "Error: stats.json exists. Give another name, or --force to replace it.\n"
    )
    assert (tmp_path / "stats.json").read_text() == written
    assert invoke("stats", path, "--csv", "-o", "stats.json", "--force").exit_code == 0
    assert (tmp_path / "stats.json").read_text().startswith("map,call,group,layer,head,entropy,")
    nowhere = invoke("stats", path, "-o", "none/stats.json")
    assert nowhere.stderr.startswith("Error: There is no folder none. ")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            ("--layers", "5"),
            1,
            "No map is left. The recording has layers 0, 1 and the maps block.0",
        ),
        (("--map", "none"), 1, "block.0.attention, block.1.attention. Choose --layers and --map"),
        (("--example", "three"), 1, "There is no example 'three'. Choose from 'one', 'two', 0, 1."),
        (("--sort", "size"), 2, "'size' is not one of entropy, "),
        (("--pattern", "sinks"), 2, "'sinks' is not one of previous token, "),
        (("--all", "--most", "3"), 2, "--all and --most contradict each other."),
        (("--reverse",), 2, "Give --sort too."),
    ],
)
def test_what_cannot_be_done_is_said(invoke, path, options, code, message):
    result = invoke("stats", path, *options)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())


def test_no_head_with_a_pattern_is_said(invoke, path):
    result = invoke("stats", path, "--pattern", "induction")
    assert result.exit_code == 0
    assert result.stdout.endswith("No head shows that.\n")


def test_hostile_texts_do_nothing_to_the_terminal(invoke, hostile_tokens, softmax_weights):
    texts = [*hostile_tokens, "\x1b[2J", "\ud800", "\x07"]
    base = Recording.from_arrays(softmax_weights(1, 1, 3, 3), ["\x1b[2J", "\x00", "\u202e"])
    attention = base.examples[0].maps[0]
    maps = [
        AttentionMap(text or "empty", attention.weights, attention.query, attention.key, group=text)
        for text in texts
    ]
    Recording((Example("\x1b[2J", tuple(maps)),), source=Source(model="\x1b]0;")).save(
        "memory://stats/hostile"
    )
    for arguments in ((), ("--json",), ("--csv",)):
        result = invoke("stats", "memory://stats/hostile", *arguments)
        assert result.exit_code == 0, result.output
        assert all(each.isprintable() or each in "\n\u200d" for each in result.stdout)
        saved = invoke("stats", "memory://stats/hostile", *arguments, "-o", "x", "--force")
        assert saved.exit_code == 0, saved.output
    table = invoke("stats", "memory://stats/hostile").stdout
    assert sum(line.startswith("L0 H0") for line in table.splitlines()) == len(texts)
    found = json.loads(invoke("stats", "memory://stats/hostile", "--json").stdout)
    assert [each["map"] for each in found["heads"]] == [text or "empty" for text in texts]


def test_numbers_are_those_of_the_analysis(invoke, tmp_path, tiny_recording):
    tiny_recording.save(tmp_path / "tiny.attn")
    found = json.loads(invoke("stats", "tiny.attn", "--json").stdout)["heads"]
    expected = summarize_examples(tiny_recording.examples)
    assert len(found) == len(expected) == 6
    for each, head in zip(found, expected, strict=True):
        assert each["statistics"].keys() == head.statistics.keys()
        for name, spread in head.statistics.items():
            assert each["statistics"][name]["mean"] == spread.mean
        for name, share in head.patterns.items():
            assert each["patterns"][name]["found"] == share.found


def test_stats_need_neither_jax_nor_a_terminal(path):
    code = "import sys; sys.modules['jax'] = None; from attnreport.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "stats", str(path)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "previous token" in done.stdout

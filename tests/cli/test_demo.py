from pathlib import Path

import pytest

from attnreport.store import load_recording


def test_the_first_demo_is_the_default(invoke, tasks, outputs, calls, tmp_path):
    result = invoke("demo")
    assert result.exit_code == 0, result.output
    assert calls.named("run_demo") == [
        {
            "name": "translator",
            "seed": 0,
            "fresh": False,
            "progress": True,
            "quick": False,
            "data": None,
        }
    ]
    assert (tmp_path / "translator.html").read_text() == "a report"
    assert result.stdout == f"Report: {tmp_path / 'translator.html'} (0.008 kB)\n"


def test_everything_that_is_said_is_passed_on(invoke, tasks, outputs, calls, tiny_recording):
    result = invoke(
        *("demo", "translator", "-o", "out.html", "--seed", "7", "--fresh", "-q", "--title", "T"),
        *("--precision", "u16", "--budget", "8", "--attention", "dot", "--model", "gru"),
        *("--quick", "--data", "pairs"),
    )
    assert result.exit_code == 0, result.output
    assert calls.named("run_demo") == [
        {
            "name": "translator",
            "seed": 7,
            "fresh": True,
            "progress": False,
            "quick": True,
            "data": Path("pairs"),
            "model": "gru",
            "attention": "dot",
        }
    ]
    assert calls.named("write_report") == [
        {
            "recording": tiny_recording,
            "force": False,
            "title": "T",
            "precision": "u16",
            "budget_mb": 8.0,
        }
    ]


def test_the_demos_are_listed(invoke, tasks):
    result = invoke("demo", "--list")
    assert result.exit_code == 0
    assert result.stdout == (
        "translator  Translates English to German.\n"
        "            --model gru, transformer\n"
        "            --attention additive, dot (with --model gru)\n"
        "            --data one sentence pair a line\n"
        "sorting     Sorts letters.\n"
    )


def test_an_unknown_demo_is_wrong_usage(invoke, tasks):
    result = invoke("demo", "chess")
    assert result.exit_code == 2
    assert "There is no demo 'chess'. Choose one of translator, sorting." in result.stderr


def test_a_recording_is_kept_if_that_is_wanted(invoke, tasks, outputs, tmp_path, tiny_recording):
    result = invoke("demo", "--save", "run.attn")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == f"Recording: {tmp_path / 'run.attn'}"
    assert load_recording(tmp_path / "run.attn").source == tiny_recording.source


def test_a_recording_may_be_kept_behind_an_address(invoke, tasks, outputs):
    result = invoke("demo", "--save", "memory://cli/run.attn")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Recording: memory://cli/run.attn\n")
    assert len(load_recording("memory://cli/run.attn").examples) == 1


def test_the_recording_is_safe_before_the_report_is_written(
    invoke, tasks, outputs, monkeypatch, tmp_path
):
    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs, "write_report", fails)
    result = invoke("demo", "--save", "run.attn")
    assert result.exit_code == 1
    assert load_recording(tmp_path / "run.attn").examples


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "missing/out.html"], 1, "There is no folder missing"),
        (["-o", "thesis.txt"], 1, "thesis.txt exists and is not an attnreport report"),
        (["--save", "thesis.txt"], 1, "is a file and not a recording"),
        (["--save", "missing/run.attn"], 1, "there is no folder"),
        (["--save", "nonsense://run.attn"], 1, "cannot be opened"),
        (["-o", "same", "--save", "./same"], 2, "need different names"),
    ],
)
def test_what_cannot_be_written_is_known_before_the_training(
    arguments, code, message, invoke, tasks, outputs, calls, tmp_path
):
    (tmp_path / "thesis.txt").write_text("years of work")
    result = invoke("demo", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert calls.named("run_demo") == []
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_force_replaces_any_file(invoke, tasks, outputs, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    assert invoke("demo", "-o", "notes.txt", "--force").exit_code == 0
    assert (tmp_path / "notes.txt").read_text() == "a report"


def test_an_earlier_report_is_replaced_without_force(invoke, tasks, outputs):
    assert [invoke("demo").exit_code for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(("status", "message"), [(0, ""), (1, "No browser could be started")])
def test_the_report_is_shown_if_that_is_wanted(
    status, message, invoke, tasks, outputs, monkeypatch, tmp_path
):
    shown = []
    monkeypatch.setattr("click.launch", lambda place: shown.append(place) or status)
    result = invoke("demo", "--open")
    assert result.exit_code == 0
    assert shown == [str(tmp_path / "translator.html")]
    assert result.stderr.startswith(message)
    assert bool(result.stderr) == bool(message)


def test_a_report_that_would_be_too_large_is_refused_before_anything_is_saved(
    invoke, tasks, outputs, calls, tmp_path
):
    result = invoke("demo", "--save", "run.attn", "--budget", "0.00001")
    assert result.exit_code == 1
    assert "too many for its budget of 1e-05 MB. Allow more with `--budget 1`." in result.stderr
    assert calls.named("write_report") == []
    assert list(tmp_path.iterdir()) == []

from pathlib import Path

import pytest

from attnreport._errors import ModelFolderError


def test_texts_are_read_in_order(invoke, tasks, outputs, calls, tmp_path):
    (tmp_path / "texts.txt").write_bytes("\ufeffthird\r\n\n  \nfourth\u2028line".encode())
    result = invoke(
        *("run", "model", "--text", "first", "--text", "second", "--text-file", "texts.txt")
    )
    assert result.exit_code == 0, result.output
    assert calls.named("record_texts") == [
        {
            "folder": Path("model"),
            "texts": ["first", "second", "third", "fourth\u2028line"],
            "strict": False,
            "queries_and_keys": False,
            "trust": None,
            "progress": True,
        }
    ]
    assert result.stdout == f"Report: {tmp_path / 'model.html'} (0.008 kB)\n"


def test_queries_and_keys_are_kept_if_they_are_asked_for(invoke, tasks, outputs, calls):
    result = invoke("run", "model", "--text", "a", "--queries-and-keys")
    assert result.exit_code == 0, result.output
    assert calls.named("record_texts")[0]["queries_and_keys"] is True


def test_texts_may_come_from_standard_input(invoke, tasks, outputs, calls):
    result = invoke("run", "model", "--text-file", "-", input="der fuchs\nspringt\n")
    assert result.exit_code == 0, result.output
    assert calls.named("record_texts")[0]["texts"] == ["der fuchs", "springt"]


@pytest.mark.parametrize(("option", "trust"), [("--trust", True), ("--no-trust", False)])
def test_running_the_model_again_can_be_asked_for_and_refused(
    option, trust, invoke, tasks, outputs, calls
):
    assert invoke("run", "model", "--text", "a", option).exit_code == 0
    assert calls.named("record_texts")[0]["trust"] is trust


def test_the_report_is_named_after_the_folder(invoke, tasks, outputs, tmp_path):
    (tmp_path / "mini").mkdir()
    assert invoke("run", "mini/", "--text", "a").exit_code == 0
    assert (tmp_path / "mini.html").exists()
    assert invoke("run", ".", "--text", "a", "-o", "other.html", "-q").exit_code == 0
    assert (tmp_path / "other.html").exists()


def test_hostile_texts_pass_unharmed(invoke, tasks, outputs, calls, hostile_tokens):
    texts = [token for token in hostile_tokens if "\x00" not in token]
    arguments = [part for text in texts for part in ("--text", text)]
    assert invoke("run", "model", *arguments).exit_code == 0
    assert calls.named("record_texts")[0]["texts"] == texts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is nothing to read. Give --text"),
        (["--text-file", "empty.txt"], "There is nothing to read"),
        (["--text-file", "missing.txt"], "'missing.txt' does not exist"),
        (["--text-file", "latin.txt"], "Line 2 of latin.txt is not UTF-8"),
        (["--text", "\udcff"], "is not UTF-8"),
    ],
)
def test_texts_that_cannot_be_read_are_wrong_usage(
    arguments, message, invoke, tasks, outputs, calls, tmp_path
):
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("gut\nschön".encode("latin-1"))
    result = invoke("run", "model", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert calls.named("record_texts") == []


def test_a_bad_model_folder_is_a_sentence(invoke, tasks, outputs, monkeypatch):
    def fails(*_, **__):
        raise ModelFolderError("model has no config.json. Give a Hugging Face model folder.")

    monkeypatch.setattr(tasks, "record_texts", fails)
    result = invoke("run", "model", "--text", "a")
    assert result.exit_code == 1
    assert result.stderr == ("Error: model has no config.json. Give a Hugging Face model folder.\n")


def test_precision_and_budget_are_passed_on(invoke, tasks, outputs, calls):
    arguments = ("run", "model", "--text", "a", "--precision", "u8", "--budget", "64")
    assert invoke(*arguments).exit_code == 0
    (found,) = calls.named("write_report")
    assert (found["precision"], found["budget_mb"]) == ("u8", 64.0)


@pytest.mark.parametrize("strict", [False, True])
def test_strictness_is_passed_on(invoke, tasks, outputs, calls, strict):
    assert invoke("run", "model", "--text", "a", *["--strict"] * strict).exit_code == 0
    (found,) = calls.named("record_texts")
    assert found.get("strict", False) is strict


def test_what_is_too_large_is_known_before_it_is_computed(invoke, tasks, outputs, calls, tmp_path):
    tasks.expected_weights = 100_000_000
    result = invoke("run", "model", "--text", "a")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The report would hold 100,000,000 weights, too many for its budget of 32 MB. "
        "Allow more with `--budget 64`, or give fewer or shorter texts.\n"
    )
    assert calls.named("computed") == []
    assert not (tmp_path / "model.html").exists()
    assert invoke("run", "model", "--text", "a", "--budget", "63").exit_code == 1
    assert invoke("run", "model", "--text", "a", "--budget", "64").exit_code == 0


def test_a_chosen_precision_knows_no_budget(invoke, tasks, outputs, calls):
    tasks.expected_weights = 100_000_000
    assert invoke("run", "model", "--text", "a", "--precision", "u8").exit_code == 0
    assert calls.named("computed") == [{}]


def test_what_cannot_be_written_is_known_before_the_model_runs(
    invoke, tasks, outputs, calls, tmp_path
):
    (tmp_path / "model.html").write_text("a page of mine")
    result = invoke("run", "model", "--text", "a")
    assert result.exit_code == 1
    assert "is not an attnreport report" in result.stderr
    assert calls.named("record_texts") == []
    assert (tmp_path / "model.html").read_text() == "a page of mine"

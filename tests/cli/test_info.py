import json
import os
import subprocess
import sys


def test_a_person_reads_a_table(invoke, tmp_path, cross_recording):
    cross_recording.save(tmp_path / "run.attn")
    result = invoke("info", "run.attn")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("run.attn\n3 examples, 1 group, 33 weights")
    for part in ("translator", "cross-attention", "alignment error rate", "25.00%", "test 2"):
        assert part in result.stdout


def test_a_program_reads_json(invoke, tmp_path, cross_recording):
    cross_recording.save(tmp_path / "run.attn")
    result = invoke("info", "run.attn", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["weights"] == 33
    assert [example["name"] for example in found["examples"]] == ["test 0", "test 1", "test 2"]


def test_hostile_texts_do_nothing_to_the_terminal(invoke, hostile_tokens, softmax_weights):
    from attnreport.recording import Example, Recording, Source

    base = Recording.from_arrays(softmax_weights(1, 1, 2, 2), ["a", "b"])
    texts = [*hostile_tokens, "\x1b[2J", "\ud800", "\x07"]
    examples = tuple(
        Example(f"{number} {text}", base.examples[0].maps, input=text)
        for number, text in enumerate(texts)
    )
    for first in range(0, len(examples), 12):  # as many as are shown
        target = f"memory://info/{first}"
        Recording(examples[first : first + 12], source=Source(model=texts[-1])).save(target)
        for arguments in ((), ("--json",)):
            result = invoke("info", target, *arguments)
            assert result.exit_code == 0, result.output
            assert all(each.isprintable() or each in "\n\u200d" for each in result.stdout)
        assert len(json.loads(result.stdout)["examples"]) == len(examples[first : first + 12])


def test_info_needs_neither_jax_nor_a_terminal(tmp_path, tiny_recording):
    tiny_recording.save(tmp_path / "run.attn")
    code = "import sys; sys.modules['jax'] = None; from attnreport.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "info", str(tmp_path / "run.attn")],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "run.attn"))

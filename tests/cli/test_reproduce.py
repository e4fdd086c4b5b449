import runpy
import sys

import pytest

MODELS = """
import jax
import jax.numpy as jnp
import numpy as np


def attend(layer, x):
    query, key, value = (jnp.einsum("btm,mhd->bhtd", x, layer[name]) for name in "qkv")
    return jnp.moveaxis(jax.nn.softmax(query @ key.mT) @ value, 1, 2).reshape(x.shape)


def shapes():
    layer = {name: jax.ShapeDtypeStruct((8, 2, 4), "float32") for name in "qkv"}
    return attend, (layer, jax.ShapeDtypeStruct((2, 5, 8), "float32"))


def with_callback():
    def model(layer, x):
        return attend(layer, jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x))

    return model, shapes()[1]
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A module of models in the current folder."""
    tmp_path.joinpath("reported_models.py").write_text(MODELS)
    yield tmp_path
    monkeypatch.delitem(sys.modules, "reported_models", raising=False)


@pytest.fixture
def broken(monkeypatch):
    """Capture with a fault."""
    from attnreport.capture.roles import kinds

    monkeypatch.setattr(kinds.Kinds, "of", lambda *_: [][0])


def test_a_fault_is_written_down(invoke, models, broken):
    result = invoke("reproduce", "reported_models:shapes", "-o", "script.py", "--seconds", 20)
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first.startswith(f"Reproduction: {models / 'script.py'} (")
    assert first.endswith(" operations)")
    failed = "It fails with IndexError: list index out of range (recognition/recognizer.py, "
    assert second.startswith(failed)
    script = runpy.run_path(str(models / "script.py"))
    from attnreport import plan_attention
    from attnreport._errors import CaptureError

    given = [script["numbers"](*each) for each in script["INPUTS"]]
    with pytest.raises(CaptureError, match="attnreport failed on this program: IndexError"):
        plan_attention(script["program"], *given)


def test_without_a_fault_all_of_the_program_is_written_down(invoke, models):
    result = invoke("reproduce", "reported_models:with_callback", "--heads", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1:] == [
        "Capture does not fail on this program, so the script holds all of it.",
        "Inputs stand for what cannot be written down: pure_callback.",
    ]
    script = (models / "reproduction.py").read_text()
    assert "with_attention(program, heads={'*': (1,)})" in script


def test_what_cannot_be_written_down_is_said(invoke, models, monkeypatch):
    from attnreport.capture.forms import facts

    def graph_of(graph):
        if any(node.primitive == "pure_callback" for node in graph.nodes):
            raise ZeroDivisionError
        return original(graph)

    original = facts.Dimensions
    monkeypatch.setattr(facts, "Dimensions", graph_of)
    result = invoke("reproduce", "reported_models:with_callback")
    assert result.exit_code == 0, result.output
    assert "fails on the whole program with ZeroDivisionError" in result.stdout


def test_files_are_not_replaced_unasked(invoke, models):
    (models / "script.py").write_text("mine")
    arguments = ("reproduce", "reported_models:shapes", "-o", "script.py")
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: script.py exists. Give another name, or --force to replace it.\n"
    )
    assert (models / "script.py").read_text() == "mine"
    assert invoke(*arguments, "--force").exit_code == 0
    assert "def program(" in (models / "script.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reported_models:missing"], "has no function missing. It has attend, shapes, with_"),
        (["reported_models:attend"], "cannot be called without arguments or failed (TypeError"),
        (
            ["reported_models:shapes", "-o", "missing/script.py"],
            "There is no folder missing. Make it",
        ),
    ],
)
def test_errors_are_sentences(invoke, models, arguments, message):
    result = invoke("reproduce", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1

import json
import sys

import pytest

MODELS = """
import jax
import jax.numpy as jnp


def encode(params, x, scale=1.0):
    for layer in params.values():
        query, key, value = (jnp.einsum("btm,mhd->bthd", x, layer[name]) for name in "qkv")
        mixed = jax.nn.dot_product_attention(scale * query, key, value)
        x = x + mixed.reshape(x.shape)
    return x


def shapes():
    layer = {name: jax.ShapeDtypeStruct((8, 2, 4), "float32") for name in "qkv"}
    params = {f"layer_{number}": layer for number in range(3)}
    return encode, (params, jax.ShapeDtypeStruct((2, 5, 8), "float32"))


def scaled():
    return *shapes(), {"scale": 2.0}


def numbers():
    return lambda x: 2 * x, [jnp.ones(3)]


def failing():
    raise ValueError("the model's own mistake\\nand more of it")


def branching():
    return (lambda x: x if x.sum() > 0 else -x), (jnp.ones(3),)


def unequal():
    return (lambda x, y: x + y), (jnp.ones(3), jnp.ones(4))


def argument(x):
    return x


def nothing():
    return None


constant = 3
"""


@pytest.fixture
def models(invoke, tmp_path, monkeypatch):
    """A module of models in the current folder."""
    tmp_path.joinpath("own_models.py").write_text(MODELS)
    yield tmp_path
    monkeypatch.delitem(sys.modules, "own_models", raising=False)


def test_a_person_reads_a_table(invoke, models):
    result = invoke("plan", "own_models:shapes")
    assert result.exit_code == 0, result.output
    header, *rows = result.stdout.splitlines()
    assert header.split()[:4] == ["name", "kind", "form", "axes"]
    for number, row in enumerate(rows[:3]):
        assert row.startswith(f"layer_{number}")
        for part in ("self", "softmax", "batch head query key", "2 × 2 × 5 × 5", "400 B", "yes"):
            assert part in row
    assert "3 of 3 kept, 1.2 KiB" in result.stdout


def test_a_program_reads_json(invoke, models):
    result = invoke("plan", "own_models:scaled", "--select", "*_1", "--reduce", "uint8", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [each["name"] for each in found["attentions"]] == ["layer_0", "layer_1", "layer_2"]
    assert [each["kept"] for each in found["attentions"]] == [False, True, False]
    second = found["attentions"][1]
    assert (second["kind"], second["shape"], second["bytes"]) == ("self", [2, 2, 5, 5], 100)
    assert (found["bytes"], found["notes"]) == (100, [])


def test_a_model_without_attention_is_a_table_too(invoke, models):
    result = invoke("plan", "own_models:numbers")
    assert result.exit_code == 0, result.output
    assert "0 of 0 kept" in result.stdout
    assert "Nothing in it is normalized" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_module:f"], "module no_such_module cannot be imported (ModuleNotFoundError"),
        (["own_models:encoder"], "has no function encoder. It has encode, shapes, scaled,"),
        (["own_models:constant"], "has no function constant."),
        (["own_models:failing"], "(ValueError: the model's own mistake). Add --debug"),
        (["own_models:argument"], "cannot be called without arguments or failed (TypeError"),
        (["own_models:nothing"], "own_models:nothing returned a NoneType. Return a tuple"),
        (["own_models:branching"], "cannot be traced by JAX, because its Python code depends"),
        (["own_models:unequal"], "The model cannot be traced (TypeError: add got"),
        (["own_models:shapes", "--select", "layer_9"], "No attention is called `layer_9`. Near"),
        (["own_models:shapes", "--reduce", "half"], "There is no reduction `half`."),
    ],
)
def test_errors_are_sentences(invoke, models, arguments, message):
    result = invoke("plan", *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("target", ["own_models", "own_models:", ":shapes", ""])
def test_the_target_is_a_module_and_a_function(invoke, models, target):
    result = invoke("plan", target)
    assert result.exit_code == 2
    assert "is not of the form MODULE:FUNCTION" in result.stderr


def test_the_path_is_as_before(invoke, models):
    before = list(sys.path)
    invoke("plan", "own_models:shapes")
    invoke("plan", "own_models:failing")
    assert sys.path == before

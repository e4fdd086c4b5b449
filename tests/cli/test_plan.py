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
    assert header.split()[:6] == ["name", "kind", "form", "axes", "layers", "heads"]
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
    assert (second["layers"], second["heads"], second["left out"]) == ([1], [0, 1], "")
    assert found["attentions"][0]["left out"] == "name"
    assert (found["bytes"], found["notes"]) == (100, [])


def rows_of(result):
    """The lines of the table, and what comes after it."""
    assert result.exit_code == 0, result.output
    _, one, two, three, _, *rest = result.stdout.splitlines()
    return [row.rpartition("  ")[2].strip() for row in (one, two, three)], rest


@pytest.mark.parametrize(
    ("arguments", "kept", "size"),
    [
        (["--select", "*_[01]"], "yes, yes, no (name)", "800 B"),
        (["--select", "*_0", "--select", "*_2"], "yes, no (name), yes", "800 B"),
        (["--layers", "1-2"], "no (layer), yes, yes", "800 B"),
        (["--layers", "0,2", "--heads", "1"], "yes, no (layer), yes", "400 B"),
        (["--heads", "1:0-1", "--heads", "2:1"], "no (head), yes, yes", "600 B"),
        (["--heads", "layer_0:1", "--heads", "0"], "yes, yes, yes", "600 B"),
        (["--reduce", "uint8", "--strict"], "yes, yes, yes", "300 B"),
        (["--want", "weights, mask", "--kinds", "self,cross"], "yes, yes, yes", "1.5 KiB"),
        (["--want", "bias,logits"], "yes, yes, yes", "1.2 KiB"),
    ],
    ids=str,
)
def test_choices_show_in_the_table(invoke, models, arguments, kept, size):
    found, rest = rows_of(invoke("plan", "own_models:shapes", *arguments))
    assert ", ".join(found) == kept
    count = sum(each == "yes" for each in found)
    assert rest[0] == f"{count} of 3 kept, {size}"


def test_a_budget_is_a_sentence_below_the_table(invoke, models):
    _, rest = rows_of(invoke("plan", "own_models:shapes", "--budget", 0.001))
    assert rest[1].startswith("3 attentions would give 1.2 KiB, more than the budget of 1.0 KiB;")
    arguments = ("--budget", 0.001, "--over-budget", "reduce")
    _, rest = rows_of(invoke("plan", "own_models:shapes", *arguments))
    assert rest == [
        "3 of 3 kept, 600 B",
        "3 attentions would give 1.2 KiB, more than the budget of 1.0 KiB, so the weights are "
        "rounded to bfloat16, which leaves 600 B.",
    ]
    result = invoke("plan", "own_models:shapes", *arguments, "--json")
    found = json.loads(result.stdout)
    assert found["attentions"][0]["reduction"] == "bfloat16"
    assert (found["bytes"], found["over budget"], found["notes"]) == (600, "", rest[1:])


def test_a_model_without_attention_is_a_table_too(invoke, models):
    result = invoke("plan", "own_models:numbers")
    assert result.exit_code == 0, result.output
    assert "0 of 0 kept" in result.stdout
    assert "Nothing in it is divided by a sum" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_module:f"], "module no_such_module cannot be imported (ModuleNotFoundError"),
        (["own_models:encoder"], "has no function encoder. It has encode, shapes, scaled,"),
        (["own_models:constant"], "has no function constant."),
        (["own_models:failing"], "(ValueError: the model's own mistake). Add --debug"),
        (["own_models:argument"], "cannot be called without arguments or failed (TypeError"),
        (["own_models:nothing"], "own_models:nothing returned a NoneType. Return a tuple"),
        (
            ["own_models:branching"],
            "cannot be traced by JAX (own_models.py:33), because its Python code depends",
        ),
        (["own_models:unequal"], "The model cannot be traced (TypeError: add got"),
        (["own_models:shapes", "--select", "layer_9"], "No attention is called `layer_9`. Near"),
        (["own_models:shapes", "--reduce", "half"], "There is no reduction `half`."),
        (["own_models:shapes", "--layers", "0-7"], "There is no layer 3. Layers are numbered"),
        (["own_models:shapes", "--heads", "2"], "There is no head 2. layer_0 has heads 0, 1."),
        (["own_models:shapes", "--heads", "4:0"], "There is no layer 4."),
        (["own_models:shapes", "--kinds", "gate"], "No attention is of kind gate. There are"),
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


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--layers", "1-", "'1-' is not a list of numbers such as 0-3,7."),
        ("--layers", "3-1", "3-1 ends before it begins."),
        ("--heads", "1:a", "'a' is not a list of numbers such as 0-3,7."),
        (
            "--kinds",
            "self,selfish",
            "'selfish' is not one of self, cross, pooling, gate, router, memory.",
        ),
        ("--want", "weight", "'weight' is not one of weights, logits, mask, bias, query, key,"),
        ("--budget", "0", "0.0 is not in the range x>0."),
        ("--steps", "0", "0 is not in the range x>=1."),
    ],
)
def test_wrong_choices_are_told(invoke, models, option, value, message):
    result = invoke("plan", "own_models:shapes", option, value)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_fault_of_capture_is_a_sentence(invoke, models, monkeypatch):
    from attnreport.capture.roles import kinds

    monkeypatch.setattr(kinds.Kinds, "of", lambda *_: [][0])
    result = invoke("plan", "own_models:shapes")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: attnreport failed on this program: IndexError: list")
    assert "`attnreport reproduce MODULE:FUNCTION -o FILE.py`" in result.stderr

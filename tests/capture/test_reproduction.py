"""Scripts that reproduce a program: its attention, or its failure, and nobody's numbers."""

import dataclasses
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from attnreport.capture import Options, plan_attention, reproduction_of
from attnreport.capture.program.lineage import upstream
from attnreport.capture.program.trace import trace
from attnreport.capture.reproduction.literals import UnwritableError, scalar_source, source_of
from attnreport.capture.reproduction.script import HEADER, is_writable, loaded, program_source
from attnreport.capture.reproduction.shrinking import shrunk
from attnreport.capture.reproduction.sketch import sketch_of
from attnreport.capture.roles import kinds
from tests.capture.attending import attend, encode, numbers, projections
from tests.capture.programs import PROGRAMS

LAYERS = [projections(number) for number in range(3)]
X = numbers(2, 5, 8)
ENGINE = {}
exec(HEADER, ENGINE)

# One of each kind of operation and control flow, and some of all groups.
FEW = sorted(
    {
        *(name for number, name in enumerate(sorted(PROGRAMS)) if number % 20 == 0),
        *(name for name in PROGRAMS if name.startswith(("loops.", "training."))),
        "rules_moves.behind_a_barrier",
    }
    # What is inside of a kernel is not written down.
    - {name for name in PROGRAMS if "kernel" in name or name.startswith("fused.")}
)


def found_in(function, args):
    plan = plan_attention(function, *args)
    return Counter((e.about.kind, e.about.form, e.about.axes, e.shape) for e in plan.attentions)


@pytest.mark.parametrize("flat", [False, True], ids=["calls", "flat"])
@pytest.mark.parametrize("name", FEW)
def test_a_program_written_down_has_the_attention_of_the_program(name, flat):
    program = PROGRAMS[name]()
    sketch = sketch_of(trace(program.fn, program.args, {}).closed, flat=flat)
    assert all(map(is_writable, sketch.lines))
    assert found_in(*loaded(sketch, ENGINE)) == found_in(program.fn, program.args)


def capped(layer, x):
    """Attention whose scores have a cap."""
    query, key, value = (jnp.einsum("btm,mhd->bhtd", x, layer[name]) for name in "qkv")
    weights = jax.nn.softmax(30 * jnp.tanh(query @ key.mT / 60))
    return x + jnp.moveaxis(weights @ value, 1, 2).reshape(x.shape)


def fault(monkeypatch, primitive="tanh"):
    """Plants a fault: capture fails where weights come from an operation."""
    right = kinds.Kinds.of

    def of(self, site):
        made = (value.node for value in upstream(site.weights))
        if any(node is not None and node.primitive == primitive for node in made):
            raise ZeroDivisionError("secret_name of the caller's")
        return right(self, site)

    monkeypatch.setattr(kinds.Kinds, "of", of)


def deep(layers, x):
    """The fault lies in the middle, inside of a call, a loop and a branch."""
    x = jax.jit(encode)(layers[:2], x)

    def step(x, _):
        return jax.lax.cond(x[0, 0, 0] > 0, lambda x: capped(layers[2], x), jnp.sin, x), None

    x = jax.lax.scan(jax.checkpoint(step), x, None, length=3)[0]
    return encode(layers, x)


def run_script(script):
    names = {"__name__": "script"}
    exec(script, names)
    return names


@pytest.mark.parametrize(
    "model",
    [lambda layers, x: capped(layers[0], x), deep, jax.jit(deep)],
    ids="flat deep jit".split(),
)
def test_a_planted_fault_is_reproduced_by_a_few_lines(monkeypatch, model):
    fault(monkeypatch)
    found = reproduction_of(model, LAYERS, X, seconds=20)
    assert found.failure.kind == "ZeroDivisionError"
    assert found.failure.place.startswith("recognition/recognizer.py, ")
    assert found.lines <= 9
    script = run_script(found.script)
    given = [script["numbers"](*each) for each in script["INPUTS"]]
    with pytest.raises(Exception, match="ZeroDivisionError"):
        plan_attention(script["program"], *given)
    monkeypatch.undo()
    assert sum(found_in(script["program"], given).values()) >= 1


def test_a_part_that_fails_in_another_way_is_no_reproduction(monkeypatch):
    def of(_, site):
        nodes = [value.node for value in upstream(site.weights) if value.node is not None]
        raise ZeroDivisionError if any(each.primitive == "tanh" for each in nodes) else KeyError

    monkeypatch.setattr(kinds.Kinds, "of", of)
    found = reproduction_of(capped, LAYERS[0], X)
    assert found.failure == found.original
    assert found.failure.kind == "ZeroDivisionError"
    assert "op.tanh_p.bind(" in found.script


def test_a_script_runs_by_itself(tmp_path):
    found = reproduction_of(deep, LAYERS, X)
    assert (found.failure, found.missing) == (None, ())
    path = tmp_path / "script.py"
    path.write_text(str(found), encoding="utf-8")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Attention of 6:")


WRITE = """
import sys
from attnreport.capture import reproduction_of
from tests.capture.programs import SHARDED

program = SHARDED["sharded_keys.keys_by_shard_map"]()
found = reproduction_of(program.fn, *program.args)
assert found.missing == ()
sys.stdout.write(found.script)
"""


def test_a_program_on_several_devices_runs_on_as_many_that_are_played(tmp_path):
    root = Path(__file__).parents[2]
    eight = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    script = subprocess.run(
        [sys.executable, "-c", WRITE],
        cwd=root,
        env=eight,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Attention of ")


def test_options_go_into_the_script_but_for_names():
    options = Options(
        select="layers.*", heads={"layers.1": 0}, want=("weights", "bias"), over_budget="reduce"
    )
    script = reproduction_of(encode, LAYERS, X, options=options).script
    assert "with_attention(program, want=('weights', 'bias'), over_budget='reduce')" in script
    script = reproduction_of(encode, LAYERS, X, options=Options(heads=[1], layers=range(2))).script
    assert "with_attention(program, layers=(0, 1), heads=(1,))" in script


TABLE = numbers(8, 8, seed=7)
MASK = jnp.asarray(np.tril(np.ones((5, 5), bool)))


def private(company, x):
    with jax.named_scope("secret_scope"):
        x = attend(company["secret_layer"], x @ TABLE)
    scores = jnp.where(MASK, x @ x.mT, -1e9)
    weights = checkpoint_name(jax.nn.softmax(scores), "secret_tag")
    return weights @ x + np.full((5, 8), 3.5, np.float32)


@pytest.mark.parametrize("planted", [False, True])
def test_nothing_of_the_caller_is_in_a_script(monkeypatch, planted):
    if planted:
        fault(monkeypatch, "exp")
    found = reproduction_of(private, {"secret_layer": LAYERS[0]}, X)
    assert (found.failure is not None) is planted
    _, _, own = found.script.partition("IMPLEMENTATIONS = {")
    for word in ("secret", "private", "company", "attending", "test_reproduction", "site-packages"):
        assert word not in found.script
    assert "/" not in own.replace("reproduction.py", "")
    # Arrays of the caller's are random, and of numbers there are those that the code is made of.
    written = {float(number) for number in re.findall(r"\d+\.\d+(?:e[-+]?\d+)?", own)}
    assert written <= {0.0, 2.0, 3.5, 1e9}
    assert planted or written


def test_constants_of_one_number_are_kept_and_others_are_random():
    table = numbers(8, 8, seed=7)
    sketch = sketch_of(
        trace(lambda x: x @ table + np.full((5, 8), 3.5, np.float32), (X,), {}).closed
    )
    source = program_source(sketch)
    assert "numbers('float32', (8, 8))" in source
    assert str(float(table[0, 0]))[:6] not in source
    assert re.search(r"3\.5", source)


def test_what_cannot_be_written_down_becomes_an_input():
    def model(layer, x):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return attend(layer, jax.pure_callback(np.sin, shape, x))

    found = reproduction_of(model, LAYERS[0], X)
    assert found.missing == ("pure_callback",)
    assert "Inputs stand for what these made: pure_callback." in found.script
    script = run_script(found.script)
    given = [script["numbers"](*each) for each in script["INPUTS"]]
    assert found_in(script["program"], given) == found_in(attend, (LAYERS[0], X))


def test_a_failure_that_cannot_be_written_down_is_said(monkeypatch):
    def model(layer, x):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return attend(layer, jax.pure_callback(np.sin, shape, x))

    fault(monkeypatch, "pure_callback")
    found = reproduction_of(model, LAYERS[0], X)
    assert found.failure is None
    assert found.original.kind == "ZeroDivisionError"
    assert found.script.startswith(
        '"""attnreport fails on the whole program (ZeroDivisionError in recognition/recognizer.py, '
    )
    assert "but not on this part of it" in found.script.partition("\n")[0]


def test_programs_shrink_to_what_fails():
    def model(x):
        a = jnp.sin(x)
        b = jnp.cos(x) + a
        c = jnp.exp(b) * a
        return jnp.tanh(c) + b

    sketch = sketch_of(trace(model, (X,), {}).closed)
    for wanted in ({"exp"}, {"sin", "exp"}, {"sin", "cos", "tanh"}):

        def fails(part, wanted=wanted):
            return wanted <= {line.primitive for line in part.lines}

        small = shrunk(sketch, fails, seconds=10)
        assert {line.primitive for line in small.lines} == wanted
        function, shapes = loaded(small, ENGINE)
        assert len(jax.eval_shape(function, *shapes)) == len(small.outputs)
    assert shrunk(sketch, lambda part: True, seconds=0) is sketch


def test_loops_give_way_to_one_run_of_what_is_in_them():
    def model(x):
        return jax.lax.scan(lambda c, x: (c + jnp.exp(x), c), x[0], x)[0]

    sketch = sketch_of(trace(model, (X,), {}).closed)

    def has_exponential(part):
        lines = [
            *part.lines,
            *(line for each in part.lines for b in each.bodies for line in b.lines),
        ]
        return any(line.primitive == "exp" for line in lines)

    small = shrunk(sketch, has_exponential, seconds=10)
    assert [line.primitive for line in small.lines] == ["exp"]
    function, (shape,) = loaded(small, ENGINE)
    assert jax.eval_shape(function, shape)[0].shape == shape.shape == (5, 8)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        0.1,
        float("inf"),
        "text",
        (),
        (1,),
        ((1, 2), [3.5]),
        frozenset([1, 2]),
        np.dtype("bool"),
        jnp.dtype("bfloat16"),
        jax.lax.Precision.HIGHEST,
        jax.lax.GatherScatterMode.CLIP,
        jax.lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)),
        jax.sharding.PartitionSpec("data", None, ("model", "other")),
    ],
    ids=str,
)
def test_parameters_are_written_as_they_are(value):
    found = eval(source_of(value), {"jax": jax, "jnp": jnp, "np": np, "lax": jax.lax})
    assert found == value
    assert type(found) is type(value)


def test_numbers_of_numpy_are_written_as_numbers():
    assert source_of((np.int64(3), np.float32(0.5), np.bool_(True))) == "(3, 0.5, True)"
    assert source_of(np.float64("nan")) == 'float("nan")'
    assert scalar_source(np.float32(0.5), jnp.float32, weak=True) == "0.5"
    assert scalar_source(2, np.dtype("int32"), weak=False) == "scalar(2, 'int32')"
    assert scalar_source(1j, np.dtype("complex64"), weak=True) == "complex(0.0, 1.0)"


@dataclasses.dataclass(frozen=True)
class Unknown:
    """Of no kind that is known."""


@pytest.mark.parametrize("value", [Unknown(), print, object, [Unknown()], jax.devices()[0]])
def test_what_has_no_source_is_told(value):
    with pytest.raises(UnwritableError):
        source_of(value)

"""Capture of functions around NNX modules: what they hold is found, copied and left alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import CaptureError
from attnreport.capture import capture_attention
from attnreport.capture.program.functions import (
    held_objects,
    innermost,
    with_replacements,
    without_jit,
)

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 8)), jnp.float32)


def attention(seed=0):
    return nnx.MultiHeadAttention(2, 8, decode=False, rngs=nnx.Rngs(seed))


class Model(nnx.Module):
    def __init__(self, seed=0):
        self.block = attention(seed)

    def __call__(self, x, *, times=1):
        return self.block(x) * times

    def encode(self, x):
        return self(x)


GLOBAL = Model()
GLOBAL_LIST = [GLOBAL]


def with_global(x):
    return GLOBAL(x)


def with_global_in_a_lambda(x):
    return (lambda y: GLOBAL(y))(x)


def with_global_list(x):
    return GLOBAL_LIST[0](x)


def through_another_function(x):
    return with_global(x)


def with_default(x, model=GLOBAL):
    return model(x)


def with_keyword_default(x, *, model=GLOBAL):
    return model(x)


def closure(model):
    return lambda x: model(x)


FORMS = {
    "module": (lambda m: m, ()),
    "bound method": (lambda m: m.encode, ()),
    "closure": (closure, ()),
    "partial": (lambda m: functools.partial(lambda model, x: model(x), m), ()),
    "keyword of partial": (lambda m: functools.partial(lambda x, model: model(x), model=m), ()),
    "jax.jit": (lambda m: jax.jit(closure(m)), ()),
    "nnx.jit": (lambda m: nnx.jit(closure(m)), ()),
    "global": (lambda m: with_global, ()),
    "global in a lambda": (lambda m: with_global_in_a_lambda, ()),
    "global list": (lambda m: with_global_list, ()),
    "another function": (lambda m: through_another_function, ()),
    "default": (lambda m: with_default, ()),
    "keyword default": (lambda m: with_keyword_default, ()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_hold_a_module_gives_the_same_attention(form):
    recording = capture_attention(FORMS[form][0](GLOBAL), X, verify=False)
    (found,) = recording.examples[0].maps
    assert found.name == "block"
    assert abs(found.array() - reference()[0]).max() < 1e-6


@functools.cache
def reference():
    _, sown = nnx.capture(lambda m: m.block(X, sow_weights=True), nnx.Intermediate)(GLOBAL)
    return np.asarray(sown["block"]["attention_weights"].get_value()[0])


def test_a_compiled_function_that_has_run_is_traced_anew():
    model = Model()
    compiled = jax.jit(lambda x: model(x))
    compiled(X)
    assert len(capture_attention(compiled, X, verify=False).examples[0].maps) == 1
    # And what capture traced does not stay in the function's cache.
    assert compiled(X).shape == X.shape


def test_a_module_can_be_an_argument():
    recording = capture_attention(lambda model, x: model.encode(x), Model(), X, verify=False)
    assert [m.name for m in recording.examples[0].maps] == ["block"]


def test_a_module_can_be_a_keyword_argument():
    recording = capture_attention(
        lambda x, model: model(x), X, kwargs={"model": Model()}, verify=False
    )
    assert recording.source.model == "Model"


@pytest.mark.parametrize("compiled", [jax.jit, nnx.jit], ids=["jax.jit", "nnx.jit"])
def test_a_module_can_be_an_argument_of_a_compiled_function(compiled):
    run = compiled(lambda model, x: model.encode(x))
    assert capture_attention(run, Model(), X, verify=False).examples[0].maps[0].name == "block"
    partial = functools.partial(run, Model())
    assert capture_attention(partial, X, verify=False).examples[0].maps[0].name == "block"


def test_a_compiled_method_is_captured():
    class Compiled(Model):
        @nnx.jit
        def __call__(self, x):
            return self.block(x)

    model = Compiled()
    model(X)
    assert len(capture_attention(model, X, verify=False).examples[0].maps) == 1


def test_several_modules_are_told_apart_by_their_names():
    def translate(encoder, decoder, x):
        return decoder(encoder(x))

    recording = capture_attention(translate, Model(), Model(1), X, verify=False)
    found = [(m.name, m.group) for m in recording.examples[0].maps]
    assert found == [
        ("encoder.block", "encoder self-attention"),
        ("decoder.block", "decoder self-attention"),
    ]


def test_one_module_under_two_names_is_one_module():
    model = Model()
    recording = capture_attention(lambda a, b, x: b(a(x)), model, model, X, verify=False)
    names = [m.name for m in recording.examples[0].maps]
    assert names == ["block (call 1)", "block (call 2)"]


def test_python_numbers_stay_python_numbers():
    def repeated(model, x, times):
        for _ in range(times):
            x = model(x)
        return x

    recording = capture_attention(repeated, Model(), X, 3, verify=False)
    assert len(recording.examples[0].maps) == 3
    by_keyword = capture_attention(Model(), X, kwargs={"times": 2}, verify=False)
    assert len(by_keyword.examples[0].maps) == 1


def test_random_number_generators_given_as_argument_stay_as_they_were():
    model = nnx.MultiHeadAttention(2, 8, dropout_rate=0.5, decode=False, rngs=nnx.Rngs(0))
    rngs = nnx.Rngs(dropout=7)

    def run(model, x, rngs):
        return model(model(x, rngs=rngs, deterministic=False), deterministic=True)

    recording = capture_attention(run, model, X, rngs)
    assert int(rngs.dropout.count[...]) == 0
    assert [m.checks.deterministic for m in recording.examples[0].maps] == [True, False]


class Trainer:
    def __init__(self):
        self.model = Model()


def test_a_module_in_an_attribute_is_captured():
    trainer = Trainer()
    recording = capture_attention(lambda x: trainer.model(x), X, verify=False)
    (found,) = recording.examples[0].maps
    assert abs(found.array() - reference()[0]).max() < 1e-6


def test_a_module_in_an_attribute_that_would_change_is_refused_and_stays_as_it_was():
    trainer = Trainer()
    trainer.model.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(1))
    with pytest.raises(CaptureError, match=r"through an attribute.*Pass the module as an argument"):
        capture_attention(lambda x: trainer.model.dropout(trainer.model(x)), X)
    assert int(trainer.model.dropout.rngs.count[...]) == 0


def is_module(value):
    return isinstance(value, nnx.Module)


def test_functions_that_hold_nothing_are_left_as_they_are():
    def plain(x, scale=2):
        return jnp.sin(x) * scale

    assert held_objects(plain, is_module) == []
    assert with_replacements(plain, is_module, lambda module: None) is plain


def test_a_recursive_function_and_an_unset_variable_are_walked_once():
    model = Model()

    def recursive(x, depth):
        return model(x) if depth == 0 else recursive(later(x), depth - 1)

    assert [name for name, _ in held_objects(recursive, is_module)] == ["model"]
    copy = with_replacements(recursive, is_module, lambda module: lambda x: "replaced")
    assert copy(X, 0) == "replaced"
    assert copy is not recursive
    if False:
        later = None  # never set, so the closure has an empty cell


def test_large_collections_are_not_walked():
    table = [GLOBAL] * 1000
    assert held_objects(lambda: table, is_module) == []
    few = {"a": (GLOBAL,)}
    assert held_objects(lambda: few, is_module) == [("a.0", GLOBAL)]


def test_compiled_functions_are_found_under_their_wrappers():
    assert without_jit(jax.jit(nnx.jit(with_global))) is with_global
    assert innermost(jax.jit(functools.partial(jax.jit(with_global)))) is with_global
    assert without_jit(GLOBAL.encode) == GLOBAL.encode

    @functools.wraps(with_global)
    def decorated(x):
        return with_global(x) + 1

    assert without_jit(decorated) is decorated


def test_attributes_that_share_the_name_of_a_global_are_not_taken_for_it():
    assert held_objects(lambda thing: thing.GLOBAL, is_module) == []
    assert held_objects(lambda: GLOBAL, is_module) == [("GLOBAL", GLOBAL)]


def test_a_copy_keeps_what_it_does_not_replace():
    model = Model()

    def run(x, /, scale=2, *, shift=3):
        return model, x, scale, shift

    copy = with_replacements(run, is_module, lambda module: "copy")
    assert copy(1) == ("copy", 1, 2, 3)
    assert copy.__name__ == "run"
    assert run(1)[0] is model

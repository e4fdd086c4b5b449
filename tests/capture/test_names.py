"""Names of attentions: tag, path of the parameters, scope, file and line."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen, nnx
from jax.ad_checkpoint import checkpoint_name

from attnreport.capture import plan_attention
from tests.capture.attending import attend, encode, numbers, projections

X = numbers(2, 5, 8)


def names(function, *args, **kwargs):
    return [each.name for each in plan_attention(function, *args, **kwargs).attentions]


def test_the_users_own_tag_comes_first():
    def model(params, x):
        with jax.named_scope("scope"):
            x = attend(params["one"], x, tag=lambda w: checkpoint_name(w, "who looks where"))
            return attend(params["two"], x)

    params = {"one": projections(), "two": projections(1)}
    assert names(model, params, X) == ["who looks where", "two"]


def test_a_tag_is_found_behind_a_change_of_format():
    def tag(weights):
        return checkpoint_name(weights.astype(jnp.bfloat16), "tagged").astype(jnp.float32)

    assert names(lambda p, x: attend(p, x, tag=tag), projections(), X) == ["tagged"]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"encoder": {"self": projections()}}, "encoder.self"),
        ({"params": {"layer_0": projections()}}, "layer_0"),
        ({"layers": [projections()]}, "layers.0"),
        ({"block/~/attention": projections()}, "block.attention"),
        ([projections()], "params.0"),
    ],
)
def test_the_path_of_the_parameters_is_the_name(params, path):
    def model(params, x):
        while "q" not in params:
            params = params[0] if isinstance(params, list) else next(iter(params.values()))
        return attend(params, x)

    assert names(model, params, X) == [path]


def test_the_argument_is_named_where_there_are_several():
    def translate(encoder, decoder, source, target):
        memory = attend(encoder["block"], source)
        return attend(decoder["block"], target, memory)

    params = {"block": projections()}, {"block": projections(1)}
    assert names(translate, *params, X, X) == ["encoder.block", "decoder.block"]
    assert names(lambda encoder, x: attend(encoder["block"], x), params[0], X) == ["block"]


def test_parameters_in_one_matrix_name_their_module():
    def model(params, x):
        query, key, value = jnp.split(x @ params["attention"]["qkv"]["kernel"], 3, -1)
        return jax.nn.softmax(query @ key.mT) @ value

    params = {"attention": {"qkv": {"kernel": numbers(8, 24)}}}
    assert names(model, params, X) == ["attention.qkv"]


def test_scopes_name_what_is_closed_over():
    layers = [projections(0), projections(1)]

    @jax.jit
    def model(x):
        with jax.named_scope("reader"):
            for number, layer in enumerate(layers):
                with jax.named_scope(f"block_{number}"):
                    x = jax.checkpoint(attend)(layer, x)
        return x

    assert names(model, X) == ["reader.block_0", "reader.block_1"]


def test_file_and_line_are_the_last_resort():
    def model(x):
        return jax.nn.softmax(x @ x.mT) @ x

    (name,) = names(model, X)
    line = model.__code__.co_firstlineno + 1
    assert name == f"test_names.py:{line}"


def test_a_function_of_jax_itself_is_called_by_its_kind():
    q = numbers(2, 5, 2, 4)
    assert names(jax.nn.dot_product_attention, q, q, q) == ["attention"]


def test_calls_are_numbered_in_the_order_in_which_they_run():
    layers = [projections(0), projections(1)]
    found = names(lambda layers, x: encode(layers, encode(layers, x)), layers, X)
    assert found == [
        "layers.0 (call 1)",
        "layers.1 (call 1)",
        "layers.0 (call 2)",
        "layers.1 (call 2)",
    ]


def test_modules_of_flax_have_their_paths():
    class Both(nnx.Module):
        def __init__(self):
            options = {"decode": False, "rngs": nnx.Rngs(0)}
            self.blocks = nnx.List([nnx.MultiHeadAttention(2, 8, **options) for _ in range(2)])

        def __call__(self, x):
            return self.blocks[1](self.blocks[0](x))

    assert names(Both(), X) == ["blocks.0", "blocks.1"]
    module = linen.Sequential([linen.Dense(8), linen.MultiHeadAttention(2)])
    variables = module.init(jax.random.key(0), X)
    assert names(module.apply, variables, X) == ["layers_1"]


def test_names_are_the_same_in_every_run():
    layers = [projections(number) for number in range(4)]
    first = names(lambda x: encode(layers, x), X)
    assert names(lambda x: encode(layers, x), X) == first
    assert len(set(first)) == 4

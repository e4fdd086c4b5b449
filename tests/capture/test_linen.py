"""Capture of Flax Linen modules, against what Flax sows by itself when the model is edited."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from attnreport._errors import CaptureError
from attnreport.capture import capture_attention

# The difference is 0 here. A processor for which XLA fuses the two programs differently may round
# the last place of a number below 1 a few times.
ROUNDING = 5e-7


class Block(nn.Module):
    rate: float = 0.0
    train: bool = False
    dtype: jnp.dtype | None = None
    sow: bool = False  # for the reference only
    attention: type = nn.MultiHeadDotProductAttention

    @nn.compact
    def __call__(self, x, mask=None):
        y = self.attention(
            2,
            dropout_rate=self.rate,
            deterministic=not self.train,
            dtype=self.dtype,
            name="attention",
        )(nn.LayerNorm(dtype=self.dtype)(x), mask=mask, sow_weights=self.sow)
        return x + y, None


class Encoder(nn.Module):
    way: str = "loop"
    sow: bool = False
    rate: float = 0.0
    train: bool = False
    dtype: jnp.dtype | None = None
    attention: type = nn.MultiHeadDotProductAttention

    @nn.compact
    def __call__(self, x, mask=None):
        options = {
            "sow": self.sow,
            "rate": self.rate,
            "train": self.train,
            "dtype": self.dtype,
            "attention": self.attention,
        }
        if self.way.startswith("scan"):
            axes = {"params": 0, "intermediates": 0}
            if self.way == "scan without intermediates":
                del axes["intermediates"]
            block = nn.remat(Block) if self.way == "scan remat" else Block
            stack = nn.scan(
                block,
                variable_axes=axes,
                split_rngs={"params": True, "dropout": True},
                in_axes=nn.broadcast,
                length=3,
            )
            return stack(**options, name="blocks")(x, mask)[0]
        block = {"loop": Block, "remat": nn.remat(Block), "jit": nn.jit(Block)}
        for number in range(3):
            x, _ = block[self.way](**options, name=f"block_{number}")(x, mask)
        return x

    def twice(self, x):
        return self(self(x))


X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 8)), jnp.float32)


def parameters(module, *inputs):
    return {"params": module.init(jax.random.key(0), *inputs)["params"]}


def flax_sown(module, variables, *inputs):
    """What Flax sows under `jax.jit` when every call says `sow_weights=True`, by path."""
    run = jax.jit(lambda *arrays: module.apply(*arrays, mutable=["intermediates"]))
    found = {}

    def visit(tree, path):
        for name, value in tree.items():
            if name == "attention_weights":
                found[".".join(path)] = value
            else:
                visit(value, (*path, name))

    visit(run(variables, *inputs)[1]["intermediates"], ())
    return found


@pytest.mark.parametrize("way", ["loop", "remat", "scan", "scan remat"])
@pytest.mark.parametrize(
    "attention", [nn.MultiHeadDotProductAttention, nn.MultiHeadAttention], ids=["dot", "multi"]
)
def test_an_encoder_gives_what_flax_sows(way, attention):
    if attention is nn.MultiHeadAttention and way != "loop":
        way = "scan"
    variables = parameters(Encoder(way, attention=attention), X)
    recording = capture_attention(Encoder(way, attention=attention), variables, X)
    expected = flax_sown(Encoder(way, sow=True, attention=attention), variables, X)
    for index, example in enumerate(recording.examples):
        names = [m.name for m in example.maps]
        if way.startswith("scan"):
            assert names == [f"blocks.attention[{layer}]" for layer in range(3)]
            stack = expected["blocks.attention"][0]
        else:
            assert names == list(expected)
            stack = [expected[name][0] for name in names]
        for attention_map, reference in zip(example.maps, stack, strict=True):
            assert abs(attention_map.array() - reference[index]).max() <= ROUNDING
            assert attention_map.checks.output_difference == 0
            assert attention_map.checks.deterministic is True


def test_modules_that_were_compiled_before_are_captured():
    module = Encoder("jit")
    variables = parameters(module, X)
    module.apply(variables, X)
    recording = capture_attention(module, variables, X, verify=False)
    assert len(recording.examples[0].maps) == 3


def test_a_scan_without_intermediates_is_captured():
    module = Encoder("scan without intermediates")
    variables = parameters(module, X)
    recording = capture_attention(module, variables, X)
    (stack,) = flax_sown(Encoder("scan", sow=True), variables, X).values()
    for index, example in enumerate(recording.examples):
        assert [m.name for m in example.maps] == [f"blocks.attention[{n}]" for n in range(3)]
        for found, reference in zip(example.maps, stack[0], strict=True):
            assert abs(found.array() - reference[index]).max() <= ROUNDING


def bound(module, variables):
    return module.bind(variables), ()


WAYS_TO_CALL = {
    "module": lambda m, v: (m, (v,)),
    "apply": lambda m, v: (m.apply, (v,)),
    "compiled apply": lambda m, v: (jax.jit(m.apply), (v,)),
    "partial": lambda m, v: (jax.tree_util.Partial(m.apply, v), ()),
    "bound": bound,
}


@pytest.mark.parametrize("way", WAYS_TO_CALL)
def test_every_way_to_call_a_module(way):
    module = Encoder()
    model, first = WAYS_TO_CALL[way](module, parameters(module, X))
    recording = capture_attention(model, *first, X, verify=False)
    assert len(recording.examples[1].maps) == 3
    assert recording.source.framework == "Flax Linen"
    assert recording.source.model == "Encoder"


def test_another_method_can_be_called():
    module = Encoder()
    recording = capture_attention(
        module, parameters(module, X), X, kwargs={"method": "twice"}, verify=False
    )
    assert [m.name for m in recording.examples[0].maps] == [
        f"block_{number}.attention (call {call})" for call in (1, 2) for number in range(3)
    ]


def test_dropout_is_told():
    variables, keys = parameters(Encoder(), X), {"rngs": {"dropout": jax.random.key(1)}}
    recording = capture_attention(Encoder(rate=0.5, train=True), variables, X, kwargs=keys)
    deterministic = [m.checks.deterministic for m in recording.examples[0].maps]
    assert deterministic == [True, False, False]
    assert recording.examples[0].maps[2].checks.output_difference == 0
    assert "hangs on random numbers" in recording.source.notes[0]
    evaluated = capture_attention(Encoder(rate=0.5), variables, X, kwargs=keys)
    assert evaluated.source.notes == ()
    assert all(m.checks.deterministic for m in evaluated.examples[0].maps)


class Normed(nn.Module):
    @nn.compact
    def __call__(self, x):
        x, _ = Block(name="block")(x)
        return nn.BatchNorm(use_running_average=False)(x)


@pytest.mark.parametrize("mutable", [["batch_stats"], "batch_stats", True])
def test_mutable_collections_are_compared_and_stay_as_they_were(mutable):
    variables = Normed().init(jax.random.key(0), X)
    before = jax.tree.map(np.array, variables)
    recording = capture_attention(Normed(), variables, X, kwargs={"mutable": mutable})
    assert recording.examples[0].maps[0].checks.output_difference == 0
    jax.tree.map(np.testing.assert_array_equal, variables, before)


class EncoderDecoder(nn.Module):
    @nn.compact
    def __call__(self, source, target):
        memory, _ = Block(name="encoder")(source)
        causal = nn.make_causal_mask(target[..., 0])
        target, _ = Block(name="decoder")(target, causal)
        return nn.MultiHeadAttention(4, name="decoder_cross_attention")(target, memory)


def test_an_encoder_decoder_gives_three_groups():
    target = X[:, :4] + 1
    variables = parameters(EncoderDecoder(), X, target)
    recording = capture_attention(
        EncoderDecoder(),
        variables,
        X,
        target,
        tokens=[list("wxyz")] * 2,
        key_tokens=[list("abcde")] * 2,
        verify=False,
    )
    found = [
        (m.name, m.kind, m.group, m.query.labels[0], m.key.labels[0], m.weights.shape)
        for m in recording.examples[1].maps
    ]
    assert found == [
        ("encoder.attention", "self", "encoder self-attention", "a", "a", (2, 5, 5)),
        ("decoder.attention", "self", "decoder self-attention", "w", "w", (2, 4, 4)),
        ("decoder_cross_attention", "cross", "cross-attention", "w", "a", (4, 4, 5)),
    ]
    masks = [m.mask for m in recording.examples[0].maps]
    assert masks[0] is None
    assert np.array_equal(masks[1], np.tri(4, dtype=bool))


def test_bfloat16_is_told():
    variables = parameters(Encoder(), X)
    recording = capture_attention(Encoder(dtype=jnp.bfloat16), variables, X)
    expected = flax_sown(Encoder(dtype=jnp.bfloat16, sow=True), variables, X)
    for attention in recording.examples[1].maps:
        assert attention.precision == "bfloat16"
        assert np.array_equal(
            attention.array(), np.asarray(expected[attention.name][0][1], np.float32)
        )


class OwnSignature(nn.MultiHeadDotProductAttention):
    @nn.compact
    def __call__(self, x):
        return super().__call__(x, x)


def test_a_subclass_with_its_own_signature_is_captured():
    module = OwnSignature(2)
    recording = capture_attention(module, parameters(module, X), X, verify=False)
    assert [m.name for m in recording.examples[0].maps] == ["OwnSignature"]


def silent(query, key, value, mask=None):
    return nn.dot_product_attention(query, key, value, mask=mask)


def test_an_attention_function_that_cannot_sow_is_captured():
    module, usual = nn.MultiHeadAttention(2, attention_fn=silent), nn.MultiHeadAttention(2)
    variables = parameters(usual, X)
    (found,) = capture_attention(module, variables, X).examples[1].maps
    ((reference,),) = flax_sown(
        Sowing(usual), {"params": {"inner": variables["params"]}}, X
    ).values()
    assert abs(found.array() - reference[1]).max() <= ROUNDING


class Sowing(nn.Module):
    """For the reference only."""

    inner: nn.Module

    def __call__(self, x):
        return self.inner(x, sow_weights=True)


class SowsItself(nn.Module):
    @nn.compact
    def __call__(self, x):
        weights = jax.nn.softmax(jnp.einsum("bqf,bkf->bqk", x, x))[:, None]
        self.sow("intermediates", "attention_weights", weights)
        return nn.Dense(3)(jnp.einsum("bhqk,bkf->bqf", weights, x))


def test_a_module_that_sows_by_itself_gives_each_attention_once():
    variables = parameters(SowsItself(), X)
    (attention,) = capture_attention(SowsItself(), variables, X).examples[1].maps
    assert abs(attention.array()[0] - jax.nn.softmax(X[1] @ X[1].T)).max() < 1e-6


def test_intermediates_that_are_passed_in_do_not_come_out_as_attention():
    module = Encoder(sow=True)
    variables = parameters(module, X)
    variables |= module.apply(variables, X, mutable=["intermediates"])[1]
    assert "intermediates" in variables
    recording = capture_attention(module, variables, X, verify=False)
    assert len(recording.examples[0].maps) == 3


def test_an_error_of_the_model_passes_and_leaves_nothing_behind():
    class Failing(Encoder):
        @nn.compact
        def __call__(self, x):
            Block(name="block_0")(x)
            raise ZeroDivisionError("the model's own mistake")

    with pytest.raises(ZeroDivisionError, match="own mistake"):
        capture_attention(Failing(), parameters(Encoder(), X), X)
    plain = Encoder()
    _, state = plain.apply(parameters(plain, X), X, mutable=["intermediates"])
    assert state == {}


@pytest.mark.parametrize("inputs", [(), (X,)], ids=["none", "an array"])
def test_missing_variables_are_explained(inputs):
    with pytest.raises(CaptureError, match=r"`Encoder` is a Linen module.*is not its variables"):
        capture_attention(Encoder(), *inputs)


def test_a_function_around_a_linen_module_is_captured():
    module = Encoder()
    variables = parameters(module, X)
    recording = capture_attention(lambda x: 2 * module.apply(variables, x)[0], X)
    direct = capture_attention(module, variables, X)
    for one, two in zip(recording.examples[1].maps, direct.examples[1].maps, strict=True):
        # What is closed over has no path: here the names come from the scopes of the program.
        assert one.name == f"Encoder.{two.name}"
        assert abs(one.array() - two.array()).max() <= ROUNDING


def test_a_module_without_attention_is_explained():
    module = nn.Dense(3)
    with pytest.raises(CaptureError, match="No attention was found in `Dense`"):
        capture_attention(module, parameters(module, X), X)


def test_arguments_of_the_model_pass_with_and_without_kwargs():
    class Scaled(nn.Module):
        @nn.compact
        def __call__(self, x, scale=1, *, mask=None):
            return nn.MultiHeadAttention(2)(scale * x, mask=mask)

    variables, causal = parameters(Scaled(), X), nn.make_causal_mask(X[..., 0])
    direct = capture_attention(Scaled(), variables, 3 * X, verify=False)
    scaled = capture_attention(Scaled(), variables, X, scale=3, verify=False)
    (one,), (two,) = direct.examples[0].maps, scaled.examples[0].maps
    assert np.array_equal(one.array(), two.array())
    masked = capture_attention(Scaled(), variables, X, kwargs={"mask": causal}, verify=False)
    assert np.array_equal(masked.examples[0].maps[0].mask, np.tri(5, dtype=bool))
    with pytest.raises(CaptureError, match=r"`mask` may be meant for the model.*kwargs=\{'mask'"):
        capture_attention(Scaled(), variables, X, mask=causal)

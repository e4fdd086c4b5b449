import pytest

from attnreport.capture.naming import group_of, kind_of, stack_of


@pytest.mark.parametrize(
    ("path", "stack"),
    [
        ("encoder.layers.0.attention", "encoder"),
        ("TransformerEncoder_0.MultiHeadDotProductAttention_1", "encoder"),
        ("decoder.block.3.EncDecAttention", "decoder"),
        ("model.dec_layers.0.attn", "decoder"),
        ("encoder_decoder.decoder.layers.0.self_attn", "decoder"),
        ("encoder_decoder.encoder.layers.0.self_attn", "encoder"),
        ("decoder.encoder.attn", "decoder"),
        ("EncDecAttention", ""),
        ("layers.0.attention", ""),
        ("decent.encore.attn", ""),
        ("", ""),
    ],
)
def test_the_stack_is_the_first_that_the_path_names(path, stack):
    assert stack_of(path) == stack


@pytest.mark.parametrize(
    ("path", "same_input", "queries", "keys", "kind"),
    [
        ("attention", True, 5, 5, "self"),
        ("cross_attention", True, 5, 5, "self"),
        ("attention", False, 5, 5, "cross"),
        ("attention", False, 5, 7, "cross"),
        ("attention", None, 5, 5, "self"),
        ("attention", None, 5, 7, "cross"),
        ("layers.0.cross_attention", None, 5, 5, "cross"),
        ("layers.0.CrossAttention_2", None, 5, 5, "cross"),
        ("block.1.EncDecAttention", False, 5, 5, "cross"),
        ("layers.0.self_attn", False, 5, 5, "self"),
        ("layers.0.self_attn", False, 5, 7, "cross"),
        ("encoder_decoder.decoder.layers.0.attn", None, 5, 5, "self"),
        ("across.attention", None, 5, 5, "self"),
    ],
)
def test_the_kind_follows_inputs_then_the_path_then_lengths(path, same_input, queries, keys, kind):
    assert kind_of(path, same_input, queries, keys) == kind


def test_groups_read_like_words():
    assert group_of("encoder", "self") == "encoder self-attention"
    assert group_of("decoder", "self") == "decoder self-attention"
    assert group_of("decoder", "cross") == "cross-attention"
    assert group_of("", "self") == "self-attention"
    assert group_of("", "pooling") == "pooling-attention"

import pytest

from attnreport.capture.choice.naming import group_of, stack_of


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


def test_groups_read_like_words():
    assert group_of("encoder", "self") == "encoder self-attention"
    assert group_of("decoder", "self") == "decoder self-attention"
    assert group_of("decoder", "cross") == "cross-attention"
    assert group_of("", "self") == "self-attention"
    assert group_of("", "pooling") == "pooling-attention"

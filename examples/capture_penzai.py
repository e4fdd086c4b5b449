"""Captures the attention of a Penzai transformer and reports on it.

python examples/capture_penzai.py report.html
"""

import sys

import jax
import jax.numpy as jnp
from penzai import pz
from penzai.models.transformer.variants import llamalike_common as llama

from attnreport import capture_attention, write_report

SENTENCE = ["the", "cat", "that", "chased", "the", "mouse", "sleeps"]
WORDS = sorted(set(SENTENCE))


def main(path: str = "capture_penzai.html") -> None:
    config = llama.LlamalikeTransformerConfig(
        num_kv_heads=2,
        query_head_multiplier=2,
        embedding_dim=32,
        projection_dim=8,
        mlp_hidden_dim=64,
        num_decoder_blocks=3,
        vocab_size=len(WORDS),
        mlp_variant="swiglu",
        tie_embedder_and_logits=False,
    )
    model = llama.build_llamalike_transformer(config, init_base_rng=jax.random.key(0))
    words = pz.nx.wrap(jnp.array([WORDS.index(word) for word in SENTENCE])).tag("seq")
    # Frozen, parameters are a part of the model's tree, whose paths are then the names.
    recording = capture_attention(pz.freeze_params(model), words, tokens=SENTENCE)
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])

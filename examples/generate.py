"""Trains a small language model to repeat words, lets it write, and shows what it looked at.

python examples/generate.py report.html
"""

import sys

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from attnreport import Generation, capture_attention, stitch_steps, write_report
from attnreport.models.language_generation import continue_greedily
from attnreport.models.transformer import LanguageModel
from attnreport.models.transformer_layers import TransformerSizes

ANIMALS = "ant bat cat cow dog eel elk emu fox frog goat hare hen ibex jay lynx mole newt owl pig"
VOCABULARY = ["<pad>", "<s>", ":", "</s>", *ANIMALS.split()]
START, COLON, END, FIRST = 1, 2, 3, 4
LONGEST, STEPS, BATCH = 8, 400, 64
PROMPTS = ["fox owl cat hen", "emu mole bat newt ibex jay", "cow dog cow elk cow"]


def lines(random):
    """Random animals, a colon, and the same animals again; padded on the right."""
    found = np.zeros((BATCH, 2 * LONGEST + 3), np.int32)
    for row, count in zip(found, random.integers(2, LONGEST + 1, BATCH), strict=True):
        animals = random.integers(FIRST, len(VOCABULARY), count)
        line = [START, *animals, COLON, *animals, END]
        row[: len(line)] = line
    return found


def loss(model, words):
    scores, following = model(words[:, :-1]), words[:, 1:]
    losses = optax.softmax_cross_entropy_with_integer_labels(scores, following)
    # Which animals come before the colon nobody can know.
    asked = (jnp.cumsum(words == COLON, axis=1)[:, :-1] > 0) & (following > 0)
    return jnp.where(asked, losses, 0).sum() / asked.sum()


@nnx.jit
def train_step(model, optimizer, words):
    value, gradients = nnx.value_and_grad(loss)(model, words)
    optimizer.update(model, gradients)
    return value


def main(path: str = "generate.html", steps: str = str(STEPS)) -> None:
    sizes = TransformerSizes(features=64, heads=4, layers=2, feed_forward=128)
    model = LanguageModel(len(VOCABULARY), sizes, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(2e-3), wrt=nnx.Param)
    random = np.random.default_rng(0)
    for step in range(int(steps)):
        value = train_step(model, optimizer, lines(random))
        if step % 100 == 99:
            print(f"step {step + 1}: loss {value:.3f}", file=sys.stderr)
    recordings = [generation(model, text.split()) for text in PROMPTS]
    print(write_report(recordings[0].join_examples(recordings), path))


def generation(model, animals):
    prompt = ["<s>", *animals, ":"]
    words = jnp.array([[VOCABULARY.index(word) for word in prompt]])
    length = len(animals) + 1
    written = continue_greedily(model, words, length=length)
    texts = [VOCABULARY[word] for word in written.words[0]]
    captured = capture_attention(
        continue_greedily, model, words, kwargs={"length": length}, example_names=[" ".join(prompt)]
    )
    said = Generation.of_logits(texts, written.words[0], written.logits[0])
    return stitch_steps(captured, prompt, said)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Captures a loop that writes word after word and keeps its keys: its steps become one map.

python examples/capture_decoding.py report.html
"""

import sys

import jax
import jax.numpy as jnp

from attnreport import capture_attention, write_report

WORDS, STEPS, SIZE = ["one", "two", "three", "four", "five"], 8, 32


def write(parameters, start):
    def step(number, state):
        written, memory = state
        word = parameters["words"][written[number]] + parameters["places"][number]
        memory = memory.at[number].set(word)
        scores = (memory @ parameters["key"]) @ (word @ parameters["query"]) / SIZE**0.5
        weights = jax.nn.softmax(jnp.where(jnp.arange(STEPS) <= number, scores, -jnp.inf))
        answer = weights @ (memory @ parameters["value"])
        return written.at[number + 1].set(jnp.argmax(parameters["words"] @ answer)), memory

    written = jnp.zeros(STEPS + 1, int).at[0].set(start)
    return jax.lax.fori_loop(0, STEPS, step, (written, jnp.zeros((STEPS, SIZE))))[0]


def main(path: str = "capture_decoding.html") -> None:
    words, places, query, key, value = jax.random.split(jax.random.key(0), 5)
    parameters = {
        "words": jax.random.normal(words, (len(WORDS), SIZE)),
        "places": jax.random.normal(places, (STEPS, SIZE)),
        # Matrices that keep lengths, so that scores are neither all alike nor far apart.
        "query": jax.random.orthogonal(query, SIZE),
        "key": jax.random.orthogonal(key, SIZE),
        "value": jax.random.orthogonal(value, SIZE),
    }
    texts = [WORDS[word] for word in write(parameters, 0)[:STEPS]]
    recording = capture_attention(write, parameters, 0, tokens=texts)
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])

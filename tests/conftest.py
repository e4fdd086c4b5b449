"""Fixtures that all tests share. JAX is imported only by the fixture that needs it."""

import gc
import os
import sys
import tempfile
from collections.abc import Callable

import hypothesis
import numpy as np
import pytest

from attnreport.recording import AttentionMap, Example, Metric, Recording, Source, TokenAxis

HOSTILE_TOKENS = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "line\u2028separator",
    "שָׁלוֹם עולם",
    "\u202ereversed",
    "👩‍👩‍👧‍👦",
    "\x00",
    "",
    "\n",
    "{{ x }}",
    "{% raw %}",
    "'",
    '"',
    "&amp;",
    "`${1}`",
    "\\u0041",
]

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("attnreport", deadline=None)
hypothesis.settings.load_profile("attnreport")

_COMPILED = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Keeps what XLA compiles for as long as the tests run, in subprocesses too.

    Each worker has a folder of its own, because JAX reads files that another process has only
    begun to write.
    """
    if not _runs_tests(config) or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = tempfile.TemporaryDirectory(prefix="attnreport-compiled-", ignore_cleanup_errors=True)
    config.stash[_COMPILED] = folder
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": folder.name,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def _runs_tests(config: pytest.Config) -> bool:
    """Whether tests run in this process, which may instead hand them out to workers."""
    return hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Looks for no garbage while everything is imported, for none of that ever is."""
    if _runs_tests(session.config):
        gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts with what takes long, so that no worker is left alone with it at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    """Looks for garbage from now on, among what the tests make."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes what was compiled."""
    folder = config.stash.get(_COMPILED, None)
    if folder is not None:
        del os.environ["JAX_COMPILATION_CACHE_DIR"]
        folder.cleanup()


@pytest.fixture
def getkey() -> Callable:
    """A function that returns a new JAX key each time it is called."""
    import jax

    key = jax.random.key(0)

    def next_key():
        nonlocal key
        key, fresh = jax.random.split(key)
        return fresh

    return next_key


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly(request: pytest.FixtureRequest) -> None:
    """XLA optimizes only where a module of tests is about what it makes of a program.

    Compiling a tiny program well takes many times longer than running it.
    """
    if "jax" in sys.modules:
        from tests.compiling import optimize

        optimize(much=request.node.get_closest_marker("optimized") is not None)


@pytest.fixture
def hostile_tokens() -> list[str]:
    """Texts that must pass through everything unharmed and do nothing on the way."""
    return list(HOSTILE_TOKENS)


@pytest.fixture
def softmax_weights() -> Callable[..., np.ndarray]:
    """A function that makes random weights of any shape, each row summing to one."""
    generator = np.random.default_rng(0)

    def make(*shape: int, dtype: str = "float32", mask: np.ndarray | None = None) -> np.ndarray:
        logits = generator.normal(scale=2, size=shape)
        if mask is not None:
            logits = np.where(mask, logits, -np.inf)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return (weights / weights.sum(axis=-1, keepdims=True)).astype(dtype)

    return make


@pytest.fixture
def tiny_recording(softmax_weights) -> Recording:
    """Self-attention of two layers with three heads on one short text."""
    return Recording.from_arrays(
        softmax_weights(2, 3, 5, 5),
        tokens=["[CLS]", "the", "quick", "fox", "[SEP]"],
        source=Source(model="tiny", framework="none", versions={"numpy": np.__version__}),
    )


@pytest.fixture
def cross_recording(softmax_weights) -> Recording:
    """Cross-attention between two token axes, with alignments, on examples of three lengths."""
    pairs = [
        (["der", "fuchs", "<eos>"], ["the", "fox", "<eos>"]),
        (["er", "springt", "hoch", "<eos>"], ["he", "jumps", "high", "up", "<eos>"]),
        (["ja", "<eos>"], ["yes", "<eos>"]),
    ]
    examples = []
    for number, (target, source) in enumerate(pairs):
        query = TokenAxis(tuple(target), special=(len(target) - 1,))
        key = TokenAxis(tuple(source), special=(len(source) - 1,))
        attention = AttentionMap(
            name="decoder.attention",
            kind="cross",
            group="cross-attention",
            weights=softmax_weights(1, len(query), len(key)),
            query=query,
            key=key,
            reference=np.eye(len(query), len(key), dtype=bool),
        )
        examples.append(
            Example(
                name=f"test {number}",
                maps=(attention,),
                input=" ".join(source[:-1]),
                output=" ".join(target[:-1]),
                target=" ".join(target[:-1]),
                scores={"AER": 0.25 * number},
            )
        )
    return Recording(
        tuple(examples),
        source=Source(model="translator", framework="none", data="Three short sentences."),
        metrics=(Metric("alignment error rate", 0.25, "On three sentences.", percent=True),),
    )


@pytest.fixture
def lines_run() -> Callable[[Callable[[], object]], int]:
    """A function that counts the lines of Python that a call runs: what is done by NumPy is one."""

    def count(call: Callable[[], object]) -> int:
        lines = 0

        def trace(frame, event, argument):
            nonlocal lines
            lines += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            call()
        finally:
            sys.settrace(before)
        return lines

    return count

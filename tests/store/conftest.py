import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from attnreport.recording import (
    AttentionMap,
    ChannelAxis,
    Check,
    Checks,
    Confusion,
    Curve,
    Deletion,
    DeletionCurve,
    Example,
    FrameAxis,
    Generation,
    GridAxis,
    Importance,
    ItemAxis,
    LayerImportance,
    Metric,
    Picture,
    Recording,
    Scoring,
    Source,
    StepAxis,
    TokenAxis,
    Training,
)

SURROGATES = ["\ud83d", "a\udc80b", "\ud83d\ude00"]  # the last is two texts' halves, not an emoji


def same(found: object, expected: object, where: str = "recording") -> None:
    """Fails unless both hold exactly the same, field by field."""
    if hasattr(expected, "shape"):
        assert found.shape == expected.shape, where
        assert found.dtype == expected.dtype, where
        rows = range(expected.shape[0])
        np.testing.assert_array_equal(
            np.stack([found[i] for i in rows]), np.stack([expected[i] for i in rows]), where
        )
    elif dataclasses.is_dataclass(expected):
        assert type(found) is type(expected), where
        for field in dataclasses.fields(expected):
            name = field.name
            same(getattr(found, name), getattr(expected, name), f"{where}.{name}")
    elif isinstance(expected, tuple):
        assert len(found) == len(expected), where
        for index, (left, right) in enumerate(zip(found, expected, strict=True)):
            same(left, right, f"{where}[{index}]")
    elif isinstance(expected, dict):
        assert list(found) == list(expected), where
        same(tuple(found.values()), tuple(expected.values()), where)
    else:
        assert type(found) is type(expected), where
        assert found == expected or (found != found and expected != expected), where


@pytest.fixture
def assert_same() -> Callable[[object, object], None]:
    return same


@pytest.fixture
def full_recording(softmax_weights, hostile_tokens) -> Recording:
    """A recording in which every field says something, and most of it is hostile."""
    texts = [*hostile_tokens, *SURROGATES]
    picture = Picture(np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3))
    gray = Picture(np.full((1, 2, 1), 255, np.uint8))
    axes = [
        TokenAxis(tuple(texts), special=(0, 2), words=(None, *range(len(texts) - 1))),
        GridAxis(2, 2, leading=("class", texts[0]), picture=picture),
        FrameAxis(4, 0.02),
        ItemAxis(("</script>", "", "\x00")),
        ChannelAxis(3),
        StepAxis(tuple(texts[:2])),
    ]
    examples = []
    for number, (query, key) in enumerate(zip(axes, axes[1:] + axes[:1], strict=True)):
        heads = number + 1
        mask = np.ones((len(query), len(key)), bool)
        mask[0, 0] = False
        shared = {
            "query": query,
            "key": key,
            "kind": "cross",
            "group": f"group {texts[number]}",
            "precision": "bfloat16",
        }
        maps = (
            AttentionMap(
                name=f"layer.{number}{texts[0]}",
                weights=softmax_weights(heads, len(query), len(key), dtype="float16"),
                mask=mask,
                reference=np.eye(len(query), len(key), dtype=bool),
                reference_name=texts[0],
                logits=np.where(mask, 1.5, -np.inf) * np.ones((heads, 1, 1)),
                layer=7,
                first_step=1,
                scoring=Scoring(
                    np.full((heads, len(query), 3), 0.1, np.float16),
                    np.full((heads, len(key), 3), 0.2, np.float16),
                    1 / 3,
                    np.full((1, len(query), len(key)), -0.5, np.float32),
                ),
                checks=Checks(
                    1e-7,
                    0.1 + 0.2,
                    deterministic=True,
                    others=(
                        *(Check(text, 0.5, texts[-1], held=True, detail=text) for text in texts),
                        Check("lost", float("nan"), held=False),
                        Check("stated"),
                    ),
                ),
                **shared,
            ),
            AttentionMap(
                name="",
                weights=np.full((heads, len(query), len(key)), 0.3),
                mask=np.stack([mask] * heads),
                normalized=False,
                checks=Checks(None, float("inf"), deterministic=False),
                **shared,
            ),
        )
        examples.append(
            Example(
                name=f"example {number} {texts[-1 - number % 3]}",
                maps=maps,
                input=texts[number],
                output=texts[-1],
                target="\x00",
                scores={"AER": 0.1, "not a number": float("nan"), "\ud800": -0.0, "count": 3},
                picture=(picture, gray, None)[number % 3],
                generation=Generation((texts[-1],), (1 / 3,), (0.1 + 0.2,)),
            )
        )
    return Recording(
        tuple(examples),
        source=Source(
            model="</title>",
            framework="none \udcff",
            versions={"numpy": np.__version__, "\n": ""},
            step=2**60,
            data="{{ x }}",
            created="2026-01-02",
            notes=("first", "\u2028"),
        ),
        metrics=(
            Metric("AER", 1 / 3, "On <b>all</b>.", percent=True),
            Metric("worst", float("-inf")),
        ),
        confusion=Confusion(tuple(texts), np.arange(len(texts) ** 2).reshape(len(texts), -1)),
        training=Training(
            (
                Curve(texts[0], (0, 10, 2**60), (float("nan"), float("inf"), 0.1)),
                Curve("accuracy", (7,), (1 / 3,)),
            ),
            chosen=10,
        ),
        deletion=Deletion(
            "probability \udcff",
            "\n",
            (0, 0.1, 1),
            (
                DeletionCurve("attention", (1, 1 / 3, 0), chance=1 / 21, draws=20),
                DeletionCurve("random", (1, 0.5, 0), ((1, 1), (0.4, 0.6), (0, 0))),
            ),
            "\ud800 texts",
        ),
        importance=Importance(
            "\x00",
            "\n",
            (
                LayerImportance("a \udcff", 3, (1 / 3, -1e-300), (0, 1 / 7), (True, False)),
                LayerImportance("a \udcff", 0, (0.0,)),
            ),
        ),
    )

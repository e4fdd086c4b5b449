"""Maps whose findings are known, and findings as the sentences that a reader sees."""

import numpy as np

from attnreport.analysis import findings
from attnreport.recording import AttentionMap, TokenAxis

WORDS = ("[CLS]", "the", "antique", "manuscript", "because", "it", "was", "fragile", "[SEP]")


SENTENCE = TokenAxis(WORDS, (0, 8))


SIZE = len(WORDS)


def stripe(key, weight=1.0):
    head = np.full((SIZE, SIZE), (1 - weight) / (SIZE - 1))
    head[:, key] = weight
    return head


def neighbor(offset):
    return np.eye(SIZE)[np.clip(np.arange(SIZE) + offset, 0, SIZE - 1)]


def layer(*heads, axis=SENTENCE, group="encoder", **fields):
    weights = np.array(heads, dtype=np.float32)
    return AttentionMap("layer", weights, axis, axis, group=group, **fields)


def translation(keys, *, reference=None, noise=0.0, heads=1):
    """Cross-attention of a German sentence whose rows look at the given English words."""
    german = TokenAxis(("ich", "habe", "den", "fuchs", "gesehen", "</s>"), (5,))
    english = TokenAxis(("i", "have", "seen", "the", "fox", "</s>"), (5,))
    weights = np.eye(6, dtype=np.float32)[list(keys)] * (1 - noise) + noise / 6
    weights = np.stack([weights] * heads)
    return AttentionMap(
        "decoder.attention",
        weights,
        german,
        english,
        "cross",
        "cross-attention",
        reference=None if reference is None else np.eye(6, dtype=bool)[list(reference)],
    )


def sentence(finding):
    return f"{finding.value} {finding.text}"


def sentences(maps, **options):
    return [sentence(finding) for finding in findings(maps, **options)]


UNIFORM = np.full((SIZE, SIZE), 1 / SIZE)


def encoder_maps():
    linked = UNIFORM * 0.36
    linked[7] = 0.05 / 8
    linked[7, 3] = 0.95
    linked[:, 0] += 1 - linked.sum(axis=-1)
    return [
        layer(stripe(0, 0.9), stripe(0, 0.5), neighbor(-1)),
        layer(neighbor(1), UNIFORM, UNIFORM),
        layer(linked, UNIFORM, stripe(0, 0.41)),
    ]

"""What a model wrote token by token, and how sure it was of each token."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from attnreport._errors import InvalidAttentionError
from attnreport.recording.arrays import as_numpy


@dataclasses.dataclass(frozen=True)
class Generation:
    """The tokens that a model wrote, in order.

    `AttentionMap.first_step` says which rows of a map wrote them.

    Attributes:
        tokens: Text of each token that was written, the end marker included if there is one.
        probabilities: Probability that the model gave each of them, given all before it, from 0 to
            1; empty where it is not known.
        entropies: Entropy in bits of the distribution that each of them was chosen from: 0 where
            the model was sure of one token; empty where it is not known.

    Raises:
        InvalidAttentionError: There is no token, or numbers do not fit the tokens.
    """

    tokens: tuple[str, ...]
    probabilities: tuple[float, ...] = ()
    entropies: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", _checked_tokens(self.tokens))
        for name, most in (("probabilities", 1.0), ("entropies", math.inf)):
            numbers = tuple(float(each) for each in getattr(self, name))
            _require_fit(name, numbers, len(self.tokens), most)
            object.__setattr__(self, name, numbers)

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def of_logits(cls, tokens: Sequence[str], numbers: Any, logits: Any) -> "Generation":
        r"""The tokens with what the logits that they were chosen by say of them.

        With $p = \operatorname{softmax}(l)$ over the vocabulary, the probability of token $i$ is
        $p_i$ and the entropy of its distribution $-\sum_j p_j \log_2 p_j$ bits. Logits of
        `-inf` are words that the model must not write. Where tokens were drawn with a temperature,
        give the logits divided by it to have the distribution that they were drawn from.

        Args:
            tokens: Text of each token that was written.
            numbers: Number of each of them in the vocabulary, `[step]`.
            logits: Scores of all tokens of the vocabulary at each step, `[step, vocabulary]`, of
                any array library.

        Raises:
            InvalidAttentionError: There are not as many numbers and rows of logits as tokens, a
                number is not in the vocabulary, or a row has no finite logit.
        """
        scores = as_numpy(logits, "logits")[0].astype(np.float64)
        chosen = np.asarray(numbers)
        texts = _checked_tokens(tokens)
        if scores.ndim != 2 or chosen.shape != (len(texts),) or len(scores) != len(texts):
            raise InvalidAttentionError(
                f"There are {len(texts)} tokens, their numbers have shape {chosen.shape} and the "
                f"logits {scores.shape}. Give one number and one row of logits per token: [step] "
                "and [step, vocabulary]."
            )
        if chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= scores.shape[1]:
            raise InvalidAttentionError(
                f"The numbers of the tokens are of type {chosen.dtype} and go from {chosen.min()} "
                f"to {chosen.max()}. Give whole numbers from 0 to {scores.shape[1] - 1}: the "
                f"logits are over {scores.shape[1]} tokens."
            )
        largest = scores.max(axis=1, keepdims=True)
        if not np.isfinite(largest).all():  # NaN is the largest of its row, too
            step = int((~np.isfinite(largest[:, 0])).argmax())
            raise InvalidAttentionError(
                f"The largest logit of step {step} is {largest[step, 0]}. Each step needs logits "
                "that are numbers, or -inf for tokens that must not be written."
            )
        shifted = scores - largest
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        shares = np.exp(logs)
        bits = -np.where(shares > 0, shares * np.where(shares > 0, logs, 0), 0).sum(1) / np.log(2)
        steps = np.arange(len(texts))
        # `+ 0.0` turns the -0.0 of a model that is sure into 0.0.
        return cls(texts, tuple(shares[steps, chosen]), tuple(np.maximum(bits, 0) + 0.0))


def _checked_tokens(tokens: Any) -> tuple[str, ...]:
    if isinstance(tokens, str):
        raise InvalidAttentionError(
            f"The tokens of a generation are one text, {tokens[:40]!r}. Give a list with the text "
            "of each token."
        )
    found = tuple(tokens)
    wrong = [token for token in found if not isinstance(token, str)]
    if wrong or not found:
        what = f"hold {wrong[0]!r}, which is not text" if wrong else "are none"
        raise InvalidAttentionError(
            f"The tokens of a generation {what}. Give the text of each token that was written, and "
            "at least one."
        )
    return found


def _require_fit(name: str, numbers: tuple[float, ...], tokens: int, most: float) -> None:
    if numbers and len(numbers) != tokens:
        raise InvalidAttentionError(
            f"A generation of {tokens} tokens has {len(numbers)} {name}. Give one per token, or "
            "none."
        )
    # A sum of rounded numbers may miss its end by that much.
    wrong = [each for each in numbers if not -1e-6 <= each <= most + 1e-6 or each == math.inf]
    if wrong:
        span = "from 0 to 1" if most == 1 else "from 0 bits up"
        raise InvalidAttentionError(
            f"The {name} of a generation hold {wrong[0]:.4g}. Give finite numbers {span}."
        )

"""Attention of pretrained encoders on texts of one's own."""

import dataclasses
import importlib.metadata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from rich.console import Console

from attnreport._errors import InvalidAttentionError, ModelFolderError
from attnreport.capture.capture import capture_attention
from attnreport.models.hugging_face import PretrainedBert, load_bert
from attnreport.recording import Recording, Source, TokenAxis

if TYPE_CHECKING:
    from os import PathLike

    from tokenizers import Encoding


def record_texts(
    folder: "str | PathLike[str]",
    texts: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    progress: bool = True,
) -> Recording:
    """A recording of what a pretrained BERT-family model attends to in the given texts.

    All texts run as one batch, padded to the longest: the model is then compiled once, and
    padding is masked to a weight of exactly 0 and cut off. The memory this takes grows with the
    square of the longest text; record very long texts one by one.

    Args:
        folder: Hugging Face model folder; see `attnreport.models.hugging_face.load_bert`.
        texts: The texts, at least one.
        names: A name per text; its number and first words if left out.
        progress: Whether to say on stderr what is being done.

    Raises:
        ModelFolderError: The folder cannot be loaded, or its files belong to different models.
        MissingDependencyError: The packages of the `hf` extra are not installed.
        InvalidAttentionError: There is no text, or one is empty, too long for the model, or not
            Unicode.
    """
    if isinstance(texts, str):
        raise InvalidAttentionError(
            f"`texts` is one text, {texts[:40]!r}. Give a list of texts, `[text]`."
        )
    if names is not None and len(names) != len(texts):
        raise InvalidAttentionError(
            f"There are {len(texts)} texts but {len(names)} names. Give one name per text."
        )
    console = Console(stderr=True, quiet=not progress)
    with console.status("Loading the model"):
        pretrained = load_bert(folder)
    encodings = _encodings(pretrained, texts)
    with console.status(f"Computing attention in {len(texts)} text{'s' * (len(texts) > 1)}"):
        recording = capture_attention(
            pretrained.model,
            *_batch(encodings),
            tokens=[_axis(encoding) for encoding in encodings],
            example_names=list(names) if names is not None else _names(texts),
            source=_source(pretrained, len(texts)),
        )
    examples = [
        dataclasses.replace(example, input=text)
        for example, text in zip(recording.examples, texts, strict=True)
    ]
    return dataclasses.replace(recording, examples=tuple(examples))


def _encodings(pretrained: PretrainedBert, texts: Sequence[str]) -> list["Encoding"]:
    if not texts:
        raise InvalidAttentionError("There is no text to record. Give at least one.")
    return [
        _encoding(pretrained, text, f"Text {number}" if len(texts) > 1 else "The text")
        for number, text in enumerate(texts, start=1)
    ]


def _encoding(pretrained: PretrainedBert, text: str, where: str) -> "Encoding":
    if not _is_unicode(text):
        raise InvalidAttentionError(
            f"{where} is not Unicode text: {ascii(text)[:40]}. Give a `str` without lone "
            "surrogates, which bytes in another encoding leave behind."
        )
    encoding = pretrained.tokenizer.encode(text)
    count, markers = len(encoding.ids), sum(encoding.special_tokens_mask)
    limit = pretrained.sizes.positions
    if count == markers:
        raise InvalidAttentionError(
            f"{where} is empty: the tokenizer finds no token in {text[:40]!r}. Give at least one "
            "word."
        )
    if count > limit:
        raise InvalidAttentionError(
            f"{where} has {count:,} tokens, {markers} of them markers, and the model reads at "
            f"most {limit:,}. Shorten it, or split it into several texts."
        )
    _require_known(encoding, pretrained.sizes.words, where)
    return encoding


def _is_unicode(text: object) -> bool:
    try:
        return isinstance(text, str) and text.encode("utf-8") is not None
    except UnicodeEncodeError:
        return False


def _require_known(encoding: "Encoding", words: int, where: str) -> None:
    # Beyond the table of embeddings, JAX would silently take its last row.
    unknown = [number for number in encoding.ids if number >= words]
    if unknown:
        token = encoding.tokens[encoding.ids.index(unknown[0])]
        raise ModelFolderError(
            f"{where} holds {token!r}, number {unknown[0]:,} of the tokenizer, but the model knows "
            f"only {words:,} tokens. The tokenizer belongs to another model."
        )


def _batch(encodings: Sequence["Encoding"]) -> tuple[jnp.ndarray, jnp.ndarray, jnp.ndarray]:
    """Token numbers, whether each is real, and segments, padded to the longest text."""
    shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
    words, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    real = np.zeros(shape, bool)
    for row, encoding in enumerate(encodings):
        length = len(encoding.ids)
        words[row, :length], segments[row, :length] = encoding.ids, encoding.type_ids
        real[row, :length] = True
    return jnp.asarray(words), jnp.asarray(real), jnp.asarray(segments)


def _axis(encoding: "Encoding") -> TokenAxis:
    special = tuple(i for i, marker in enumerate(encoding.special_tokens_mask) if marker)
    return TokenAxis(tuple(encoding.tokens), special, tuple(encoding.word_ids))


def _names(texts: Sequence[str]) -> list[str]:
    short = [" ".join(text.split()) for text in texts]
    short = [text if len(text) <= 40 else f"{text[:39].rstrip()}…" for text in short]
    return [f"{number}: {text}" for number, text in enumerate(short, start=1)]


def _source(pretrained: PretrainedBert, count: int) -> Source:
    packages = ("jax", "flax", "tokenizers", "safetensors")
    notes = []
    if pretrained.ignored:
        notes.append(
            f"Tensors not used, because they come after the encoder: "
            f"{', '.join(pretrained.ignored)}."
        )
    if pretrained.stored_format != "float32":
        notes.append(
            f"Weights are stored in {pretrained.stored_format} and computed with in float32."
        )
    return Source(
        model=pretrained.name,
        framework=f"Flax NNX ({pretrained.architecture})",
        versions={package: importlib.metadata.version(package) for package in packages},
        data=f"{count} text{'s' * (count > 1)} given by the caller.",
        notes=tuple(notes),
    )

"""Attention of pretrained encoders on texts of one's own."""

import dataclasses
import functools
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from rich.console import Console

from attnreport._errors import InvalidAttentionError, ModelFolderError
from attnreport.capture.capture import capture_attention
from attnreport.models.bert import BertSizes
from attnreport.models.hugging_face import PretrainedBert, load_bert
from attnreport.recording import Example, Recording, Source, TokenAxis
from attnreport.tasks.pretrained_trust import MOST_TOKENS, EncodedText, with_trust

if TYPE_CHECKING:
    from os import PathLike

    from tokenizers import Encoding

# Most attention weights that a batch of several texts may have, padding included: 256 MB.
MOST_WEIGHTS = 64_000_000
# Texts are padded to a power of two, at least this, so that few shapes have to be compiled.
_SHORTEST = 16


def record_texts(
    folder: "str | PathLike[str]",
    texts: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    check_size: Callable[[int], object] | None = None,
    strict: bool = False,
    queries_and_keys: bool = False,
    trust: bool | None = None,
    progress: bool = True,
) -> Recording:
    """A recording of what a pretrained BERT-family model attends to in the given texts.

    Texts of like lengths run together, padded to the next power of two, in batches of at most
    `MOST_WEIGHTS` weights; a longer text runs alone. Padding is masked to a weight of exactly 0
    and cut off, so a text has the weights it has alone, up to rounding. Every batch is verified.

    Args:
        folder: Hugging Face model folder; see `attnreport.models.hugging_face.load_bert`.
        texts: The texts, at least one.
        names: A name per text; its number and first words if left out.
        check_size: Called with the number of weights the recording will have, before any is
            computed; what it raises ends the recording.
        strict: Whether to refuse attention that is only a guess.
        queries_and_keys: Whether to keep queries and keys too; see `capture_attention`.
        trust: Whether to run the model again without each head, and without some of the tokens; see
            `attnreport.tasks.pretrained_trust`. None does so for texts of at most `MOST_TOKENS`
            tokens together.
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
    if check_size is not None:
        cells = sum(len(encoding.ids) ** 2 for encoding in encodings)
        check_size(pretrained.sizes.layers * pretrained.sizes.heads * cells)
    capture = functools.partial(
        capture_attention, pretrained.model, strict=strict, queries_and_keys=queries_and_keys
    )
    recording = _recorded(pretrained, encodings, console, capture)
    examples = [
        dataclasses.replace(example, name=name, input=text)
        for example, name, text in zip(
            recording.examples, _names(texts) if names is None else names, texts, strict=True
        )
    ]
    recording = dataclasses.replace(recording, examples=tuple(examples))
    if trust or (trust is None and sum(len(each.ids) for each in encodings) <= MOST_TOKENS):
        with console.status("Running the model without each head and without some of the tokens"):
            return with_trust(recording, pretrained.model, [_encoded(each) for each in encodings])
    return recording


def _encoded(encoding: "Encoding") -> EncodedText:
    special = np.array(encoding.special_tokens_mask, bool)
    return EncodedText(np.array(encoding.ids), np.array(encoding.type_ids), special)


def _recorded(
    pretrained: PretrainedBert,
    encodings: Sequence["Encoding"],
    console: Console,
    capture: Callable[..., Recording],
) -> Recording:
    """One example per text, in the order given, named by its number."""
    total, source = len(encodings), _source(pretrained, len(encodings))
    noun = "texts" if total > 1 else "text"
    examples: dict[int, Example] = {}
    told = source
    for texts, length in _batches(pretrained.sizes, [len(each.ids) for each in encodings]):
        batch = [encodings[text] for text in texts]
        with console.status(f"Computing attention: {len(examples)} of {total} {noun} done"):
            recording = capture(
                *_padded(batch, length),
                tokens=[_axis(encoding) for encoding in batch],
                example_names=[str(text) for text in texts],
                source=source,
            )
        examples.update(zip(texts, recording.examples, strict=True))
        told = recording.source  # with the notes of the capture, the same for every batch
    return Recording(tuple(examples[text] for text in range(total)), source=told)


def _batches(sizes: BertSizes, lengths: Sequence[int]) -> list[tuple[list[int], int]]:
    """Numbers of the texts that run together, and the length that they are padded to."""
    alike: dict[int, list[int]] = {}
    for text, length in enumerate(lengths):
        power = max(_SHORTEST, 1 << (length - 1).bit_length())
        alike.setdefault(min(power, sizes.positions), []).append(text)
    batches = []
    for length, texts in sorted(alike.items()):
        most = max(1, MOST_WEIGHTS // (sizes.layers * sizes.heads * length**2))
        batches += [(texts[start : start + most], length) for start in range(0, len(texts), most)]
    return batches


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


def _padded(
    encodings: Sequence["Encoding"], length: int
) -> tuple[jnp.ndarray, jnp.ndarray, jnp.ndarray]:
    """Token numbers, whether each is real, and segments, padded to the given length."""
    shape = (len(encodings), length)
    words, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    real = np.zeros(shape, bool)
    for row, encoding in enumerate(encodings):
        count = len(encoding.ids)
        words[row, :count], segments[row, :count] = encoding.ids, encoding.type_ids
        real[row, :count] = True
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

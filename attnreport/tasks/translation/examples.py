"""Records where a trained translator looks while it translates some sentences."""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from attnreport.analysis.alignment import alignment_error_rate
from attnreport.capture.capture import capture_attention
from attnreport.models.transformer import Transformer
from attnreport.models.translator import END, START, Translator
from attnreport.models.translator_decoding import translate_greedily
from attnreport.recording import AttentionMap, Example, Generation, Recording, TokenAxis
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.evaluation import Alignment, translate
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.systems import System, logits, words_before
from attnreport.tasks.translation.vocabulary import END_MARKER, MARKERS, Vocabulary, text_of

# Scores without parameters would be named after a line of code.
NAME = "decoder.attention"
GROUP = "cross-attention, German to English"


@dataclasses.dataclass(frozen=True)
class _Sentences:
    """Sentences as a model read and wrote them.

    Attributes:
        source: Numbers of the English words.
        rows: Numbers of the German words that it wrote.
        english: English words with their end marker.
        german: German words that it wrote, with the end marker if it wrote that.
    """

    source: Int[np.ndarray, "sentence source"]
    rows: Int[np.ndarray, "sentence target"]
    english: list[tuple[str, ...]]
    german: list[tuple[str, ...]]


def record_examples(
    model: System,
    languages: Languages,
    pairs: Sequence[SentencePair],
    *,
    width: int,
    alignment: Alignment | None,
) -> tuple[Example, ...]:
    """What a translator makes of sentences, and all of its attention on the way.

    Args:
        model: A trained translator.
        languages: Its vocabularies.
        pairs: The sentences, with what they should become.
        width: Columns for an English sentence with its end marker.
        alignment: Which head agrees best with the links; None where these are not known.
    """
    sentences = _translated(model, languages, pairs, width)
    captured = _captured(model, sentences)
    generations = _generations(model, sentences)
    return tuple(
        _example(pair, example.maps, generation, alignment)
        for pair, example, generation in zip(pairs, captured.examples, generations, strict=True)
    )


def _translated(
    model: System, languages: Languages, pairs: Sequence[SentencePair], width: int
) -> _Sentences:
    texts = [pair.english for pair in pairs]
    rows = translate(model, languages, texts, width)
    german = [_written(languages.target, row) for row in rows]
    return _Sentences(
        languages.source.encode(texts),
        rows[:, : max(map(len, german))],
        [(*words, END_MARKER) for words in texts],
        german,
    )


def _written(german: Vocabulary, row: Int[np.ndarray, " target"]) -> tuple[str, ...]:
    """The words of a translation, with the end marker if the model wrote it."""
    words = german.decode(row.tolist())
    return (*words, END_MARKER) if END in row else tuple(words)


def _generations(model: System, sentences: _Sentences) -> list[Generation]:
    """The words that were written, each with how sure the model was of it."""
    scores = np.asarray(
        logits(model, jnp.asarray(sentences.source), jnp.asarray(sentences.rows)), np.float32
    )
    return [
        Generation.of_logits(words, row[: len(words)], of_row[: len(words)])
        for words, row, of_row in zip(sentences.german, sentences.rows, scores, strict=True)
    ]


def _captured(model: System, sentences: _Sentences) -> Recording:
    source = jnp.asarray(sentences.source)
    english = [_axis(words) for words in sentences.english]
    german = [_axis(words) for words in sentences.german]
    if isinstance(model, Translator):
        return capture_attention(
            translate_greedily,
            model,
            source,
            kwargs={"length": sentences.rows.shape[1]},
            tokens=german,
            key_tokens=english,
            group=GROUP,
        )
    return _captured_of_transformer(model, source, sentences, english, german)


def _captured_of_transformer(
    model: Transformer,
    source: jnp.ndarray,
    sentences: _Sentences,
    english: list[TokenAxis],
    german: list[TokenAxis],
) -> Recording:
    """One pass over what the model wrote, in which it looks as it did when it wrote that."""
    read = [_axis((MARKERS[START], *words[:-1])) for words in sentences.german]
    captured = capture_attention(
        model,
        source,
        words_before(jnp.asarray(sentences.rows)),
        tokens=read,
        key_tokens=english,
    )
    examples = [
        dataclasses.replace(example, maps=_cross_first(example.maps, axis))
        for example, axis in zip(captured.examples, german, strict=True)
    ]
    return dataclasses.replace(captured, examples=tuple(examples))


def _cross_first(maps: Sequence[AttentionMap], written: TokenAxis) -> tuple[AttentionMap, ...]:
    """The maps, those between the languages first, with a row for each word that was written."""
    cross = [
        dataclasses.replace(attention, query=written, group=GROUP)
        for attention in maps
        if attention.kind == "cross"
    ]
    return (*cross, *(attention for attention in maps if attention.kind != "cross"))


def _example(
    pair: SentencePair,
    maps: Sequence[AttentionMap],
    written: Generation,
    alignment: Alignment | None,
) -> Example:
    words = tuple(word for word in written.tokens if word != END_MARKER)
    right = END_MARKER in written.tokens and words == tuple(pair.german)
    scores = {}
    if right and alignment is not None:
        reference = pair.alignment()
        maps = [_with_reference(attention, reference) for attention in maps]
        best = [attention for attention in maps if attention.kind == "cross"][alignment.layer]
        scores = {"AER": alignment_error_rate(best.head(alignment.head), reference)}
    if len(maps) == 1:
        maps = [dataclasses.replace(attention, name=NAME) for attention in maps]
    # A row of the decoder wrote a word; rows of the encoder did not.
    maps = [_writing(attention) if _is_of_decoder(attention) else attention for attention in maps]
    text = text_of(pair.english)
    return Example(
        text,
        tuple(maps),
        text,
        text_of(words),
        text_of(pair.german),
        scores,
        generation=written,
    )


def _is_of_decoder(attention: AttentionMap) -> bool:
    return attention.kind == "cross" or "decoder" in attention.group


def _writing(attention: AttentionMap) -> AttentionMap:
    return dataclasses.replace(attention, first_step=0)


def _with_reference(attention: AttentionMap, reference: np.ndarray) -> AttentionMap:
    if attention.kind != "cross":
        return attention
    return dataclasses.replace(attention, reference=reference)


def _axis(tokens: Sequence[str]) -> TokenAxis:
    special = tuple(i for i, token in enumerate(tokens) if token in MARKERS)
    return TokenAxis(tuple(tokens), special)

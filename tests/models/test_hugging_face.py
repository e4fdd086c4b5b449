"""Folders that are not what they should be are refused, with the reason and the way out."""

import json
import shutil
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.flax import save_file as save_flax
from safetensors.numpy import load_file, save_file

from attnreport._errors import MissingDependencyError, ModelFolderError
from attnreport.models.hugging_face import ARCHITECTURES, load_bert

TINY = Path(__file__).parents[1] / "gold" / "bert" / "tiny"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(TINY, tmp_path / "my-bert"))


def edit_config(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name, value in changes.items():
        if value is None:
            config.pop(name, None)
        else:
            config[name] = value
    path.write_text(json.dumps(config))


def edit_weights(folder, edit, save=save_file):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors = edit(tensors) or tensors
    path.unlink()
    save(tensors, path)


def parameters(pretrained):
    return dict(nnx.to_flat_state(nnx.state(pretrained.model, nnx.Param)))


def test_every_tensor_is_used_or_named():
    pretrained = load_bert(TINY)
    names = set(load_file(TINY / "model.safetensors"))
    assert set(pretrained.ignored) == {"pooler.dense.weight", "pooler.dense.bias"}
    used = names - set(pretrained.ignored)
    assert len(used) == len(parameters(pretrained))
    assert (pretrained.name, pretrained.architecture) == ("tiny", "BertModel")
    assert pretrained.stored_format == "float32"


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "BertModel"])
def test_heads_of_other_architectures_are_ignored_by_name(folder, architecture):
    heads = {
        "BertForMaskedLM": "cls.predictions.bias",
        "BertForQuestionAnswering": "qa_outputs.bias",
    }
    head = heads.get(architecture, "classifier.weight")

    def edit(tensors):
        renamed = {f"bert.{name}": tensor for name, tensor in tensors.items()}
        return {**renamed, head: np.zeros(3, np.float32)}

    edit_weights(folder, edit)
    edit_config(folder, architectures=[architecture])
    pretrained = load_bert(folder)
    assert set(pretrained.ignored) == {head, "bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    for path, variable in parameters(load_bert(TINY)).items():
        assert np.array_equal(variable[...], parameters(pretrained)[path][...])


def test_names_from_tensorflow_are_understood(folder):
    def edit(tensors):
        return {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): tensor
            for name, tensor in tensors.items()
        }

    edit_weights(folder, edit)
    assert len(parameters(load_bert(folder))) == len(parameters(load_bert(TINY)))


@pytest.mark.parametrize(("dtype", "name"), [(jnp.float16, "float16"), (jnp.bfloat16, "bfloat16")])
def test_short_floats_widen_without_loss(folder, dtype, name):
    stored = {}

    def edit(tensors):
        stored.update({key: jnp.asarray(tensor, dtype) for key, tensor in tensors.items()})
        return stored

    edit_weights(folder, edit, save_flax)
    pretrained = load_bert(folder)
    assert pretrained.stored_format == name
    word = parameters(pretrained)["embeddings", "word", "embedding"][...]
    assert word.dtype == jnp.float32
    expected = stored["embeddings.word_embeddings.weight"].astype(jnp.float32)
    assert np.array_equal(word, expected)


def test_truncation_and_padding_of_the_tokenizer_are_switched_off(folder):
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["truncation"] = {
        "direction": "Right",
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    path.write_text(json.dumps(tokenizer))
    assert len(load_bert(folder).tokenizer.encode("the fox and the dog").ids) == 7


CACHED = "models--owner--some-bert/snapshots/0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("place", "name"), [(CACHED, "owner/some-bert"), ("some_bert/model", "some_bert")]
)
def test_the_name_comes_from_the_folder(tmp_path, place, name):
    shutil.copytree(TINY, tmp_path / place)
    assert load_bert(tmp_path / place).name == name


def refuse(folder, message):
    with pytest.raises(ModelFolderError, match=message) as caught:
        load_bert(folder)
    assert len(str(caught.value)) < 700


def test_a_folder_that_is_none_is_refused(tmp_path):
    refuse(tmp_path / "absent", r"absent' is not a folder.*config\.json")
    refuse(TINY / "config.json", "is not a folder")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    refuse(folder, f"There is no {name} in")


@pytest.mark.parametrize(
    ("missing", "instead", "advice"),
    [
        ("model.safetensors", "pytorch_model.bin", "PyTorch pickle.*save_pretrained"),
        ("model.safetensors", "model.safetensors.index.json", "split over several files"),
        ("tokenizer.json", "vocab.txt", "only the vocabulary.*save_pretrained"),
    ],
)
def test_what_lies_there_instead_of_a_file_is_explained(folder, missing, instead, advice):
    (folder / missing).rename(folder / instead)
    refuse(folder, advice)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model_type": "bert",', r"config\.json of .* is not JSON \(.*line 1"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1, 2]", "holds a list, not the fields of a model"),
    ],
)
def test_a_broken_configuration_is_refused(folder, content, message):
    (folder / "config.json").write_bytes(content)
    refuse(folder, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel of type"),
        ({"model_type": "roberta", "architectures": ["RobertaModel"]}, "Supported are models of"),
        ({"architectures": ["BertLMHeadModel"]}, "BertLMHeadModel of type 'bert'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "says is_decoder"),
        ({"add_cross_attention": True}, "says add_cross_attention"),
        ({"hidden_act": "mish"}, "hidden_act 'mish'; supported are gelu"),
        ({"hidden_size": None}, "field hidden_size of config.json is missing"),
        ({"num_hidden_layers": 0}, "num_hidden_layers of config.json is 0"),
        ({"num_hidden_layers": True}, "is True; it must be a positive whole number"),
        ({"vocab_size": "41"}, "vocab_size of config.json is '41'"),
        ({"num_attention_heads": 5}, "shares 32 features.*5 heads"),
        ({"layer_norm_eps": -1.0}, r"layer_norm_eps -1\.0"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps 'small'"),
    ],
)
def test_another_kind_of_model_is_refused(folder, changes, message):
    edit_config(folder, **changes)
    refuse(folder, message)


def test_a_configuration_without_an_architecture_is_a_plain_bert(folder):
    edit_config(folder, architectures=None, model_type=None)
    assert load_bert(folder).architecture == "BertModel"


def test_a_broken_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0"')
    refuse(folder, r"tokenizer\.json of .* is not a tokenizer")


def test_a_pointer_in_place_of_weights_is_refused(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 108712\n"
    (folder / "model.safetensors").write_text(pointer)
    refuse(folder, "Git LFS pointer, not the weights.*git lfs pull")


@pytest.mark.parametrize("size", [0, 5, 1000, -1])
def test_weights_that_were_cut_off_are_refused(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    refuse(folder, "cannot be read .*cut off: download it again")


QUERY = "encoder.layer.1.attention.self.query.weight"


def test_missing_tensors_are_named(folder):
    edit_weights(folder, lambda tensors: {k: v for k, v in tensors.items() if "layer.1" not in k})
    refuse(folder, r"lacks encoder\.layer\.1\.[\w.]+, .* and 13 more, which config\.json calls for")


def test_unexpected_tensors_are_named(folder):
    extra = {"encoder.layer.0.adapter.weight": np.zeros(3, np.float32)}
    edit_weights(folder, lambda tensors: tensors | extra)
    refuse(folder, r"holds encoder\.layer\.0\.adapter\.weight, which is no part of the encoder")


def test_more_layers_than_the_configuration_says_are_refused(folder):
    edit_config(folder, num_hidden_layers=2)
    refuse(folder, r"holds encoder\.layer\.2.* and 13 more, which is no part")


def test_a_wrong_shape_is_named(folder):
    edit_weights(folder, lambda tensors: tensors | {QUERY: np.zeros((32, 31), np.float32)})
    refuse(folder, r"query\.weight in model\.safetensors has shape \(32, 31\).*for \(32, 32\)")


def test_a_transposed_shape_is_told_apart(folder):
    name = "encoder.layer.0.intermediate.dense.weight"
    edit_weights(folder, lambda tensors: tensors | {name: tensors[name].T.copy()})
    refuse(folder, r"has shape \(32, 48\).*calls for \(48, 32\)")


def test_quantized_weights_are_refused(folder):
    edit_weights(folder, lambda tensors: tensors | {QUERY: np.zeros((32, 32), np.int8)})
    refuse(folder, "is stored as I8; supported are F32, F16, BF16")


def test_weights_that_are_not_finite_are_refused(folder):
    edit_weights(folder, lambda tensors: tensors[QUERY].__setitem__((0, 0), np.nan))
    refuse(folder, r"query\.weight in model\.safetensors holds numbers that are not finite")


def test_a_parameter_under_two_names_is_refused(folder):
    edit_weights(folder, lambda tensors: tensors | {f"bert.{QUERY}": tensors[QUERY].copy()})
    refuse(folder, "holds both .* which are the same parameter")


@pytest.mark.parametrize("package", ["tokenizers", "safetensors"])
def test_a_missing_package_is_named_with_the_command(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"`{package}`.*attnreport\[hf\]'`"):
        load_bert(TINY)

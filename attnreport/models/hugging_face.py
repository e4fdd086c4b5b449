"""Loads models of the BERT family from Hugging Face folders, every tensor accounted for.

A folder holds `config.json`, `model.safetensors` and `tokenizer.json`. Loading is strict: what a
folder holds beyond the encoder is named, and what does not fit stops the loading. A model that is
only nearly right would still give weights that look like attention.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport._errors import MissingDependencyError, ModelFolderError
from attnreport.models.bert import ACTIVATIONS, Bert, BertSizes

if TYPE_CHECKING:
    from os import PathLike

    from tokenizers import Tokenizer

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"

ARCHITECTURES = (
    "BertModel",
    "BertForPreTraining",
    "BertForMaskedLM",
    "BertForNextSentencePrediction",
    "BertForSequenceClassification",
    "BertForMultipleChoice",
    "BertForTokenClassification",
    "BertForQuestionAnswering",
)

# Parts of these architectures that come after the encoder, and a table of numbers from 0 up.
_NOT_THE_ENCODER = re.compile(r"(pooler|cls|classifier|qa_outputs)\..*|embeddings\.position_ids")

# Number formats that widen to float32 without loss.
_FORMATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}

_FIELDS = {
    "words": "vocab_size",
    "positions": "max_position_embeddings",
    "segments": "type_vocab_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "hidden_size",
    "feed_forward": "intermediate_size",
}

Path_ = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class PretrainedBert:
    """A BERT encoder with the tokenizer it was trained with.

    Attributes:
        model: The encoder, computing in float32.
        tokenizer: Texts to tokens, without truncation and padding.
        name: Name of the model, made of the folder's.
        architecture: What the folder holds, such as `BertForMaskedLM`.
        sizes: Sizes of the encoder.
        ignored: Tensors of the folder that are not part of the encoder.
        stored_format: Number format that the weights are stored in, such as `float16`.
    """

    model: Bert
    tokenizer: "Tokenizer"
    name: str
    architecture: str
    sizes: BertSizes
    ignored: tuple[str, ...]
    stored_format: str


def load_bert(folder: "str | PathLike[str]") -> PretrainedBert:
    """The encoder and the tokenizer in a Hugging Face folder of the BERT family.

    Accepted are the architectures in `ARCHITECTURES`, with absolute positions and without
    cross-attention, and weights in float32, float16 or bfloat16 in one safetensors file.

    Args:
        folder: Folder with `config.json`, `model.safetensors` and `tokenizer.json`.

    Raises:
        ModelFolderError: A file is missing or broken, the model is of another family, or its
            tensors are not those that its configuration promises.
        MissingDependencyError: `safetensors` or `tokenizers` is not installed.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ModelFolderError(
            f"{str(root)!r} is not a folder. Give the folder of a model of the BERT family, with "
            f"{CONFIG}, {WEIGHTS} and {TOKENIZER}."
        )
    config = _read_config(_file(root, CONFIG))
    architecture = _architecture(config)
    sizes = _sizes(config)
    tokenizer = _read_tokenizer(_file(root, TOKENIZER))
    with _open_weights(_file(root, WEIGHTS)) as tensors:
        model, ignored, stored_format = _loaded(tensors, sizes)
    return PretrainedBert(
        model, tokenizer, _model_name(root), architecture, sizes, ignored, stored_format
    )


def _file(root: Path, name: str) -> Path:
    path = root / name
    if path.is_file():
        return path
    advice = f"A model folder holds {CONFIG}, {WEIGHTS} and {TOKENIZER}."
    if name == WEIGHTS and (root / f"{WEIGHTS}.index.json").exists():
        advice = "Its weights are split over several files; save them again as one."
    elif name == WEIGHTS and (root / "pytorch_model.bin").exists():
        advice = (
            "Its weights are a PyTorch pickle, which can run code when it is read: load the model "
            f"with Transformers and save it with `save_pretrained`, which writes {WEIGHTS}."
        )
    elif name == TOKENIZER and (root / "vocab.txt").exists():
        advice = (
            "It has only the vocabulary of one: load it with `transformers.AutoTokenizer` and "
            f"save it with `save_pretrained`, which writes {TOKENIZER}."
        )
    raise ModelFolderError(f"There is no {name} in {str(root)!r}. {advice}")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFolderError(
            f"{path.name} of {str(path.parent)!r} is not JSON ({error}). Download it again."
        ) from error
    if not isinstance(config, dict):
        raise ModelFolderError(
            f"{path.name} of {str(path.parent)!r} holds a {type(config).__name__}, not the fields "
            "of a model. Download it again."
        )
    return config


def _architecture(config: Mapping[str, Any]) -> str:
    """Name of the architecture, if it is one whose encoder `Bert` is.

    Raises:
        ModelFolderError: It is another.
    """
    family = config.get("model_type", "bert")
    architecture = (config.get("architectures") or ["BertModel"])[0]
    if family != "bert" or architecture not in ARCHITECTURES:
        raise ModelFolderError(
            f"The folder holds a {architecture} of type {family!r}. Supported are models of type "
            f"'bert': {', '.join(ARCHITECTURES)}. For others use `capture_attention` or "
            "`Recording.from_arrays`."
        )
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise ModelFolderError(
            f"The model has position_embedding_type {positions!r} in {CONFIG}; only 'absolute' "
            "positions are supported."
        )
    for flag in ("is_decoder", "add_cross_attention"):
        if config.get(flag):
            raise ModelFolderError(
                f"The model says {flag} in {CONFIG}; only encoders, which look both ways, are "
                "supported."
            )
    return architecture


def _sizes(config: Mapping[str, Any]) -> BertSizes:
    numbers: dict[str, int] = {}
    for name, field in _FIELDS.items():
        value = config.get(field)
        if type(value) is not int or value < 1:
            found = f"is {value!r}" if field in config else "is missing"
            raise ModelFolderError(
                f"The field {field} of {CONFIG} {found}; it must be a positive whole number."
            )
        numbers[name] = value
    if numbers["hidden"] % numbers["heads"]:
        raise ModelFolderError(
            f"{CONFIG} shares {numbers['hidden']} features (hidden_size) among "
            f"{numbers['heads']} heads (num_attention_heads), which does not come out even."
        )
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise ModelFolderError(
            f"{CONFIG} has hidden_act {activation!r}; supported are {', '.join(ACTIVATIONS)}."
        )
    epsilon = config.get("layer_norm_eps", 1e-12)
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not epsilon > 0:
        raise ModelFolderError(
            f"{CONFIG} has layer_norm_eps {epsilon!r}; it must be a positive number."
        )
    return BertSizes(**numbers, activation=activation, epsilon=float(epsilon))


def _read_tokenizer(path: Path) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise _not_installed("tokenizers") from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        raise ModelFolderError(
            f"{path.name} of {str(path.parent)!r} is not a tokenizer ({error}). Download it again."
        ) from error
    # Folders of sentence encoders store how texts were cut and padded in training.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _open_weights(path: Path) -> Any:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise _not_installed("safetensors") from error
    with path.open("rb") as file:
        if file.read(24).startswith(b"version https://git-lfs"):
            raise ModelFolderError(
                f"{path.name} of {str(path.parent)!r} is a Git LFS pointer, not the weights. "
                "Fetch them with `git lfs pull`."
            )
    try:
        return safe_open(str(path), framework="numpy")
    except SafetensorError as error:
        raise ModelFolderError(
            f"{path.name} of {str(path.parent)!r} cannot be read ({error}). It may be cut off: "
            "download it again."
        ) from error


def _not_installed(package: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"Pretrained models need the package `{package}`, which is not installed. Install it with "
        "`pip install 'attnreport[hf]'`."
    )


@dataclasses.dataclass(frozen=True)
class _Parameter:
    """One parameter of the encoder and the tensor it comes from."""

    path: Path_
    tensor: str
    shape: tuple[int, ...]

    def converted(self, array: np.ndarray, shape: tuple[int, ...]) -> jnp.ndarray:
        """The tensor in our layout: PyTorch stores the weights of a layer transposed."""
        return jnp.asarray(array.T if self.path[-1] == "kernel" else array, jnp.float32).reshape(
            shape
        )


def _parameters(sizes: BertSizes) -> Iterator[_Parameter]:
    for ours, theirs, count in (
        ("word", "word_embeddings", sizes.words),
        ("position", "position_embeddings", sizes.positions),
        ("segment", "token_type_embeddings", sizes.segments),
    ):
        path = ("embeddings", ours, "embedding")
        yield _Parameter(path, f"embeddings.{theirs}.weight", (count, sizes.hidden))
    yield from _norm(("embeddings", "norm"), "embeddings.LayerNorm", sizes)
    for i in range(sizes.layers):
        ours, theirs = ("layers", i), f"encoder.layer.{i}"
        for name in ("query", "key", "value"):
            path = (*ours, "attention", name)
            yield from _linear(path, f"{theirs}.attention.self.{name}", sizes.hidden, sizes.hidden)
        dense = f"{theirs}.attention.output.dense"
        yield from _linear((*ours, "attention", "out"), dense, sizes.hidden, sizes.hidden)
        yield from _norm((*ours, "attention_norm"), f"{theirs}.attention.output.LayerNorm", sizes)
        dense = f"{theirs}.intermediate.dense"
        yield from _linear((*ours, "up"), dense, sizes.hidden, sizes.feed_forward)
        yield from _linear(
            (*ours, "down"), f"{theirs}.output.dense", sizes.feed_forward, sizes.hidden
        )
        yield from _norm((*ours, "norm"), f"{theirs}.output.LayerNorm", sizes)


def _linear(path: Path_, tensor: str, features_in: int, features_out: int) -> Iterator[_Parameter]:
    yield _Parameter((*path, "kernel"), f"{tensor}.weight", (features_out, features_in))
    yield _Parameter((*path, "bias"), f"{tensor}.bias", (features_out,))


def _norm(path: Path_, tensor: str, sizes: BertSizes) -> Iterator[_Parameter]:
    yield _Parameter((*path, "scale"), f"{tensor}.weight", (sizes.hidden,))
    yield _Parameter((*path, "bias"), f"{tensor}.bias", (sizes.hidden,))


def _loaded(tensors: Any, sizes: BertSizes) -> tuple[Bert, tuple[str, ...], str]:
    """The encoder with its weights, the tensors it has no use for, and their number format."""
    stored = _by_plain_name(tensors.keys())
    ignored = tuple(name for plain, name in stored.items() if _NOT_THE_ENCODER.fullmatch(plain))
    wanted = {parameter.tensor: parameter for parameter in _parameters(sizes)}
    _require_exactly(set(wanted), {p: name for p, name in stored.items() if name not in ignored})
    model = nnx.eval_shape(lambda: Bert(sizes, rngs=nnx.Rngs(0)))
    unfilled = dict(nnx.to_flat_state(nnx.state(model, nnx.Param)))
    formats: set[str] = set()
    for plain, parameter in wanted.items():
        name = stored[plain]
        formats.add(_checked_format(tensors.get_slice(name), parameter, name))
        variable = unfilled.pop(parameter.path)
        array = tensors.get_tensor(name)
        _require_finite(array, name)
        variable.set_value(parameter.converted(array, variable.get_value().shape))
    if unfilled:
        raise AssertionError(f"No tensor fills these parameters of Bert: {sorted(unfilled)}")
    nnx.reseed(model, default=0)  # generators were shapes until now; nothing draws from them
    return model, ignored, ", ".join(sorted(formats))


def _by_plain_name(names: Sequence[str]) -> dict[str, str]:
    """Names in the file by the name that `BertModel` gives them.

    Other architectures put `bert.` in front, and files that were made from TensorFlow's call the
    parameters of a normalization gamma and beta.
    """
    plain = {}
    for name in names:
        short = name.removeprefix("bert.")
        short = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", short)
        short = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", short)
        if short in plain:
            raise ModelFolderError(
                f"{WEIGHTS} holds both {plain[short]!r} and {name!r}, which are the same "
                "parameter. Save the model again."
            )
        plain[short] = name
    return plain


def _require_exactly(wanted: set[str], found: Mapping[str, str]) -> None:
    missing = sorted(wanted - set(found))
    if missing:
        raise ModelFolderError(
            f"{WEIGHTS} lacks {_listed(missing)}, which {CONFIG} calls for. The two files belong "
            "to different models, or the file is not complete."
        )
    unknown = sorted(found[plain] for plain in set(found) - wanted)
    if unknown:
        raise ModelFolderError(
            f"{WEIGHTS} holds {_listed(unknown)}, which is no part of the encoder that {CONFIG} "
            "describes. Leaving it out could give wrong attention; this architecture is not "
            "supported."
        )


def _checked_format(part: Any, parameter: _Parameter, name: str) -> str:
    """Number format of a tensor.

    Raises:
        ModelFolderError: Its format or its shape is wrong.
    """
    shape = tuple(part.get_shape())
    if shape != parameter.shape:
        raise ModelFolderError(
            f"{name} in {WEIGHTS} has shape {shape}, but {CONFIG} calls for {parameter.shape}. "
            "The two files belong to different models."
        )
    if part.get_dtype() not in _FORMATS:
        raise ModelFolderError(
            f"{name} in {WEIGHTS} is stored as {part.get_dtype()}; supported are "
            f"{', '.join(_FORMATS)}. Quantized weights have to be turned into floats first."
        )
    return _FORMATS[part.get_dtype()]


def _require_finite(array: np.ndarray, name: str) -> None:
    if not np.isfinite(array.astype(np.float32, copy=False)).all():
        raise ModelFolderError(
            f"{name} in {WEIGHTS} holds numbers that are not finite. Download the file again."
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _model_name(folder: Path) -> str:
    """A name made of the folder's, past names that say nothing.

    A snapshot in the cache of Hugging Face lies in `models--owner--name/snapshots/<commit>`.
    """
    for part in reversed(folder.resolve().parts):
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/")
        if part.lower() not in {"model", "snapshots"} and not re.fullmatch("[0-9a-f]{40}", part):
            return part
    return "BERT"

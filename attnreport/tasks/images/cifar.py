"""CIFAR-10 from the folder that its Python version unpacks to.

Its files are pickles, and a pickle can call anything when it is read. So nothing of NumPy, or of
anything else, is called here: the few names that stand in these files lead to stand-ins that keep
what they are given, and any other name is refused.
"""

import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from attnreport._errors import DataError
from attnreport.tasks.images.pictures import Pictures

if TYPE_CHECKING:
    from os import PathLike

TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST, NAMES = "test_batch", "batches.meta"
_SIDE, _CHANNELS, _CLASSES = 32, 3, 10
_NUMBERS = _SIDE * _SIDE * _CHANNELS
_PLACE = "Give the folder `cifar-10-batches-py` that cifar-10-python.tar.gz unpacks to."


class Cifar10(NamedTuple):
    """The pictures of CIFAR-10, and the names of the classes.

    Source: Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images", section 3.1.
    """

    training: Pictures
    test: Pictures
    names: tuple[str, ...]


def load_cifar10(folder: "str | PathLike[str]") -> Cifar10:
    """CIFAR-10 from a folder with its Python version.

    Args:
        folder: Folder with `data_batch_1` to `data_batch_5`, `test_batch` and `batches.meta`.

    Raises:
        DataError: A file is missing, or is not what it is in CIFAR-10.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{str(root)!r} is not a folder. {_PLACE}")
    parts = [_pictures(root / name) for name in TRAINING]
    training = Pictures(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.classes for part in parts]),
    )
    return Cifar10(training, _pictures(root / TEST), _names(root / NAMES))


def _pictures(path: Path) -> Pictures:
    content = _unpickled(path)
    data, labels = content.get(b"data"), content.get(b"labels")
    if not isinstance(data, _Array) or not isinstance(labels, list):
        raise _not_cifar(path, "it has no `data` and `labels`")
    numbers = data.numbers(path)
    if len(numbers) != len(labels):
        raise _not_cifar(path, f"it has {len(numbers)} pictures but {len(labels)} labels")
    wrong = [each for each in labels if type(each) is not int or not 0 <= each < _CLASSES]
    if wrong:
        raise _not_cifar(path, f"it has the label {wrong[0]!r}, and labels are 0 to {_CLASSES - 1}")
    # All red, then all green, then all blue, each row by row.
    planes = numbers.reshape(-1, _CHANNELS, _SIDE, _SIDE)
    return Pictures(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.array(labels, np.int32))


def _names(path: Path) -> tuple[str, ...]:
    names = _unpickled(path).get(b"label_names")
    if not isinstance(names, list) or len(names) != _CLASSES:
        raise _not_cifar(path, f"it has no `label_names` of {_CLASSES} classes")
    try:
        return tuple(name.decode("utf-8") for name in names)
    except (AttributeError, UnicodeDecodeError) as error:
        raise _not_cifar(path, "the names of its classes are not texts") from error


def _unpickled(path: Path) -> dict[Any, Any]:
    """The mapping in a file; texts are bytes, as Python 2 wrote them."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path.name} of {str(path.parent)!r} cannot be read: {error.strerror}. {_PLACE}"
        ) from error
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
    except DataError:
        raise
    # A damaged pickle raises nearly anything.
    except Exception as error:
        raise _not_cifar(path, f"it cannot be unpickled ({error})") from error
    if not isinstance(found, dict):
        raise _not_cifar(path, f"it holds a {type(found).__name__} and not a mapping")
    return found


class _Reader(pickle.Unpickler):
    """Reads numbers, texts, lists, mappings, and the one array of each file."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        known = _STAND_INS.get((module_name, global_name))
        if known is None:
            raise DataError(
                f"A file asks to call {module_name}.{global_name!s} when it is read, which nothing "
                f"in CIFAR-10 does. Do not trust where it comes from. {_PLACE}"
            )
        return known


class _Type:
    """What a file says of the format of its numbers."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        self.name = name

    def __setstate__(self, state: Any) -> None:
        """Nothing: byte order and the like say nothing about single bytes."""


class _Array:
    """What a file says of its array: version, shape, type, whether by columns, and bytes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def numbers(self, path: Path) -> UInt8[np.ndarray, "picture numbers"]:
        """The array, if it is one of CIFAR-10."""
        match self.state:
            case (
                1,
                (int(count), shown),
                _Type(name=b"u1" | "u1"),
                False | 0,
                bytes(content),
            ) if shown == _NUMBERS and len(content) == count * _NUMBERS:
                return np.frombuffer(content, np.uint8).reshape(count, _NUMBERS)
        raise _not_cifar(path, f"its `data` are not rows of {_NUMBERS} bytes")


_STAND_INS: dict[tuple[str, str], type] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
}


def _not_cifar(path: Path, why: str) -> DataError:
    return DataError(f"{path.name} of {str(path.parent)!r} is no file of CIFAR-10: {why}. {_PLACE}")

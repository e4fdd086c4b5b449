"""CIFAR-10 is read as it was written, and a file that asks for anything else is refused."""

import os
import pickle
import pickletools

import numpy as np
import pytest

from attnreport._errors import DataError
from attnreport.tasks.images.cifar import TEST, load_cifar10
from tests.tasks.images import pickles
from tests.tasks.images.pickles import NAMES, pixels


@pytest.fixture
def folder(tmp_path):
    return pickles.cifar10(tmp_path)


def test_the_fixture_is_a_pickle_that_numpy_itself_understands(folder):
    content = folder.joinpath(TEST).read_bytes()
    names = {opcode.name for opcode, _, _ in pickletools.genops(content)}
    assert {"SHORT_BINSTRING", "BINSTRING", "BUILD", "REDUCE"} <= names
    assert not names & {"BINUNICODE", "BINBYTES", "STACK_GLOBAL"}
    found = pickle.loads(content, encoding="bytes")
    np.testing.assert_array_equal(found[b"data"], pixels(2, 5))
    assert found[b"labels"] == [5, 4]


def test_pictures_classes_and_names_are_read(folder):
    found = load_cifar10(folder)
    assert found.training.pixels.shape == (10, 32, 32, 3)
    assert found.training.classes.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert found.test.classes.tolist() == [5, 4]
    assert found.names[:2] == ("airplane", "automobile")
    # A row is all red, then all green, then all blue; each goes row by row.
    row = pixels(2, 5)[1]
    assert found.test.pixels[1, 3, 7].tolist() == [row[3 * 32 + 7 + c * 1024] for c in range(3)]


def test_a_file_that_calls_something_is_refused_before_it_is_called(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        folder.joinpath(TEST).write_bytes(pickle.dumps(Trap(), protocol=protocol))
        with pytest.raises(DataError, match=r"asks to call .*mkdir.*Do not trust"):
            load_cifar10(folder)
    assert not tmp_path.joinpath("trapped").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy", "ndarray.tofile"),
        ("numpy", "load"),
        ("_codecs", "encode"),
    ],
)
def test_names_beside_those_of_its_array_are_refused(folder, module, name):
    content = pickles.pickled(pickles.named(module, name))
    folder.joinpath("batches.meta").write_bytes(content)
    with pytest.raises(DataError, match=f"asks to call {module}.{name}"):
        load_cifar10(folder)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (pickles.pickled(pickles.sequence([])), "holds a list"),
        (pickles.pickled(pickles.mapping({})), "no `data` and `labels`"),
        (pickles.batch(pixels(2), [1, 2])[:-40], "cannot be unpickled"),
        (b"", "cannot be unpickled"),
        (pickles.batch(pixels(2), [1]), "2 pictures but 1 labels"),
        (pickles.batch(pixels(1), [10]), "label 10"),
        (pickles.batch(pixels(1)[:, :-1], [1]), "not rows of 3072 bytes"),
        (pickles.batch(pixels(1), [1]).replace(b"u1", b"O8"), "not rows of 3072 bytes"),
        (pickles.batch(pixels(1), [1]).replace(b"K\x01M\x00\x0c", b"K\x02M\x00\x0c"), "not rows"),
    ],
)
def test_what_is_no_batch_is_refused(folder, content, why):
    folder.joinpath(TEST).write_bytes(content)
    with pytest.raises(DataError, match=rf"test_batch of .* is no file of CIFAR-10: .*{why}"):
        load_cifar10(folder)


@pytest.mark.parametrize(
    ("names", "why"), [(NAMES[:9], "no `label_names` of 10"), ([b"\xff"] * 10, "not texts")]
)
def test_names_that_are_none_are_refused(folder, names, why):
    folder.joinpath("batches.meta").write_bytes(pickles.meta(names))
    with pytest.raises(DataError, match=why):
        load_cifar10(folder)


def test_what_is_missing_is_named_with_what_to_do(folder):
    folder.joinpath("data_batch_3").unlink()
    with pytest.raises(DataError, match=r"data_batch_3 .*cifar-10-batches-py"):
        load_cifar10(folder)
    with pytest.raises(DataError, match=r"is not a folder.*cifar-10-batches-py"):
        load_cifar10(folder / "nothing")

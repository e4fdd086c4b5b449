import ml_dtypes
import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Recording
from attnreport.recording.arrays import as_numpy

FORMATS = ["float16", "bfloat16", "float32", "float64"]
VALUES = np.array([[[0.25, 0.75], [0.5, 0.5]]])


class Dlpack:
    """An array of a library that speaks DLPack and nothing else."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __dlpack__(self, **options):
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


class Tensor(Dlpack):
    """Like PyTorch: values with a gradient are not given away, bfloat16 is foreign to NumPy."""

    def __init__(self, values, dtype: str, *, on_host=False, needs_gradient=True) -> None:
        super().__init__(values)
        self.dtype = f"torch.{dtype}"
        self._dtype = dtype
        self._on_host, self._needs_gradient = on_host, needs_gradient

    def detach(self):
        return Tensor(self._values, self._dtype, on_host=self._on_host, needs_gradient=False)

    def cpu(self):
        return Tensor(self._values, self._dtype, on_host=True, needs_gradient=self._needs_gradient)

    def float(self):
        values = self._values.astype(np.float32)
        return Tensor(values, "float32", on_host=self._on_host, needs_gradient=False)

    def __array__(self, *_args, **_options):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def __dlpack__(self, **options):
        if self._needs_gradient:
            raise BufferError("Can't export tensors that require gradient")
        if not self._on_host or self._dtype == "bfloat16":
            raise BufferError("Unsupported device or dtype")
        return super().__dlpack__(**options)


def numpy_array(precision):
    return VALUES.astype(ml_dtypes.bfloat16 if precision == "bfloat16" else precision)


def jax_array(precision):
    import jax

    with jax.enable_x64(precision == "float64"):
        return jax.numpy.asarray(VALUES, dtype=precision)


def torch_like(precision):
    return Tensor(numpy_array(precision), precision)


@pytest.mark.parametrize("precision", FORMATS)
@pytest.mark.parametrize("library", [numpy_array, jax_array, torch_like])
def test_every_library_and_format_comes_into_numpy(library, precision):
    found, name = as_numpy(library(precision))
    assert type(found) is np.ndarray
    assert name == precision
    assert found.dtype == ("float32" if precision == "bfloat16" else precision)
    np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("precision", FORMATS)
@pytest.mark.parametrize("library", [numpy_array, jax_array, torch_like])
def test_a_recording_remembers_the_format_of_the_model(library, precision):
    recording = Recording.from_arrays([library(precision)], tokens=["a", "b"])
    (attention,) = recording.examples[0].maps
    assert attention.precision == precision
    assert attention.checks.row_sum_error == 0
    np.testing.assert_array_equal(attention.array(), VALUES)


def test_anything_that_speaks_dlpack_is_taken():
    found, precision = as_numpy(Dlpack(VALUES.astype("float32")))
    assert precision == "float32"
    np.testing.assert_array_equal(found, VALUES)


def test_nested_lists_are_taken():
    found, precision = as_numpy(VALUES.tolist())
    assert precision == "float64"
    np.testing.assert_array_equal(found, VALUES)


def test_numpy_arrays_are_not_copied():
    array = VALUES.astype("float32")
    assert np.shares_memory(as_numpy(array)[0], array)


def test_a_foreign_byte_order_becomes_that_of_the_machine():
    found, precision = as_numpy(VALUES.astype(">f4"))
    assert precision == "float32"
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((1, 2, 2), int), r"The weights are of type int64; attention weights are float16"),
        (np.ones((1, 2, 2), complex), "of type complex128"),
        (np.ones((1, 2, 2), bool), "of type bool"),
        ([["a"]], "The weights are of type str"),
        ([[0.5], [0.5, 0.5]], r"The weights \(list\) are not a rectangular array.*one concrete"),
        (None, "The weights are of type object"),
    ],
)
def test_what_holds_no_real_numbers_is_refused(weights, message):
    with pytest.raises(InvalidAttentionError, match=message):
        as_numpy(weights)


def test_a_traced_array_is_refused_with_the_reason():
    import jax

    @jax.jit
    def forward(weights):
        with pytest.raises(InvalidAttentionError, match=r"Tracer\) are not.*Give one concrete"):
            as_numpy(weights)
        return weights

    forward(jax.numpy.ones(3))


def test_a_tensor_that_cannot_be_exported_is_refused_with_the_reason():
    class Sparse(Tensor):
        def detach(self):
            raise RuntimeError("sparse tensors have no strides\nmore")

    with pytest.raises(InvalidAttentionError, match=r"sparse tensors have no strides\. Give one"):
        as_numpy(Sparse(VALUES, "float32"))

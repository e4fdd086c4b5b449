"""Packs weights into the checked, compressed blocks that the page decodes when it needs them.

Bytes per weight and errors of each encoding were measured on real attention; see
`benchmarks/README.md`. All are stored key by key (transposed): attention has vertical stripes,
which then become runs.
"""

import base64
import dataclasses
import zlib
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from attnreport._errors import ReportError, UnknownNameError

Encoding = Literal["float32", "u16", "u8"]

# Most weights that each encoding may hold in a report of the default budget.
DEFAULT_BUDGET_MB = 32.0
_LADDER: tuple[tuple[Encoding, float], ...] = (("float32", 2e6), ("u16", 12e6), ("u8", 50e6))
_BYTES: dict[Encoding, int] = {"float32": 4, "u16": 2, "u8": 1}
_STEPS = {"u16": 65535, "u8": 255}
_BLOCK_BYTES = 262_144
_DEFAULT = zlib.Z_DEFAULT_STRATEGY


@dataclasses.dataclass(frozen=True)
class EncodingFacts:
    """What a reader must know about an encoding.

    Attributes:
        label: Its name in words.
        largest_error: Bound on the difference between a shown and a captured weight in [0, 1].
        error_text: The bound in words, as it depends on the weight.
    """

    label: str
    largest_error: float
    error_text: str


# A weight w is stored as the integer i nearest to steps * sqrt(w), found in float32, so
# |i/steps - sqrt(w)| is at most h: half a step and a little rounding. So |(i/steps)^2 - w| is at
# most 2 h sqrt(w) + h^2. The page states the same bound for every weight it shows. Weights that
# may exceed 1 are stored as shares of the largest one, m; they are off by m times as much.
def _largest_error(steps: int) -> float:
    root_error = 1 / (2 * steps) + 2**-22
    return 2 * root_error + root_error**2


ENCODINGS: dict[Encoding, EncodingFacts] = {
    "float32": EncodingFacts("exact float32", 0.0, "none: every weight is the captured float32"),
    "u16": EncodingFacts(
        "16-bit square-root steps",
        _largest_error(_STEPS["u16"]),
        "about √w / 65535: at most 0.000016 at w = 1, 0.0000005 at w = 0.001",
    ),
    "u8": EncodingFacts(
        "8-bit square-root steps",
        _largest_error(_STEPS["u8"]),
        "about √w / 255: at most 0.004 at w = 1, 0.002 at w = 0.25, 0.00013 at w = 0.001",
    ),
}


def choose_encoding(
    weights: int, *, wanted: Encoding | None = None, budget_mb: float = DEFAULT_BUDGET_MB
) -> Encoding:
    """The encoding that is wanted, or the most exact one in which so many weights fit the budget.

    Raises:
        UnknownNameError: There is no such encoding.
        ReportError: Not even the smallest encoding fits.
    """
    if wanted is not None:
        if wanted in ENCODINGS:
            return wanted
        raise UnknownNameError(f"No precision is called {wanted!r}. Known: {', '.join(ENCODINGS)}.")
    scale = budget_mb / DEFAULT_BUDGET_MB
    for encoding, most in _LADDER:
        if weights <= most * scale:
            return encoding
    megabytes = weights * 0.62 / 1e6
    raise ReportError(
        f"The recording holds {weights:,} weights, which make a page of about {megabytes:,.0f} MB; "
        f"the budget is {budget_mb:g} MB. Choose layers or examples with `recording.select(...)`, "
        f"or allow it with `budget_mb={megabytes * 1.1:.0f}`."
    )


def deflate(data: bytes, *, strategy: int = zlib.Z_RLE) -> bytes:
    """The data compressed, with a checksum that lets the page notice a damaged block.

    The zlib framing is on purpose: raw deflate decodes a flipped byte to wrong data in silence.
    """
    compressor = zlib.compressobj(6, zlib.DEFLATED, 15, 9, strategy)
    return compressor.compress(data) + compressor.flush()


def as_text(data: bytes) -> str:
    """The bytes in base64, which every browser, editor and mail gateway leaves alone."""
    return base64.b64encode(data).decode("ascii")


def pack_heads(
    heads: list[Float[np.ndarray, "query key"]], encoding: Encoding, *, largest: float = 1.0
) -> str:
    """One block of text that holds the given heads one after the other, each key by key.

    Steps of 8 and 16 bits run up to `largest`; float32 does not depend on it.
    """
    planes = b"".join(_planes(heads, encoding, largest))
    return as_text(deflate(planes, strategy=_strategy(encoding)))


def pack_floats(arrays: list[np.ndarray], form: Literal["float32", "float16"]) -> str:
    """One block of text that holds the numbers of the arrays one after the other, row by row.

    All first bytes come first, then all second ones, and so on: exponents are alike.
    """
    kind = {"float32": ">f4", "float16": ">f2"}[form]
    numbers = np.concatenate([np.asarray(array, np.float32).ravel() for array in arrays])
    planes = numbers.astype(kind).view(np.uint8).reshape(numbers.size, -1).T
    return as_text(deflate(np.ascontiguousarray(planes).tobytes(), strategy=_DEFAULT))


def pack_bits(mask: np.ndarray) -> str:
    """One block of text that holds a boolean array, eight cells to a byte, highest bit first."""
    return as_text(deflate(np.packbits(np.asarray(mask, dtype=bool).ravel()).tobytes()))


def heads_per_block(cells: int, encoding: Encoding) -> int:
    """How many heads of so many cells share a block, so that blocks are neither tiny nor huge."""
    return max(1, _BLOCK_BYTES // (cells * _BYTES[encoding]))


def square_root_steps(
    weights: Float[np.ndarray, "..."], steps: int, *, largest: float = 1.0
) -> np.ndarray:
    r"""Integers $\mathrm{round}(\mathrm{steps} \sqrt{w / m})$: fine steps where most weights are.

    $m$ is the `largest` weight.
    """
    shares = weights if largest == 1 else weights / np.float32(largest)
    root = np.sqrt(np.clip(shares, 0, 1), dtype=np.float32)
    root *= steps
    root += 0.5
    return root.astype(np.uint8 if steps < 256 else np.uint16)


def _planes(
    heads: list[Float[np.ndarray, "query key"]], encoding: Encoding, largest: float
) -> list[bytes]:
    """The bytes of the heads; all first bytes of the numbers, then all second bytes, and so on."""
    columns = np.concatenate([np.ascontiguousarray(head.T).ravel() for head in heads])
    if encoding == "u8":
        return [square_root_steps(columns, _STEPS["u8"], largest=largest).tobytes()]
    if encoding == "u16":
        steps = square_root_steps(columns, _STEPS["u16"], largest=largest)
        numbers: np.ndarray = steps.astype(">u2")
    else:
        numbers = columns.astype(">f4")
    planes: UInt8[np.ndarray, "cell byte"] = numbers.view(np.uint8).reshape(columns.size, -1)
    return [np.ascontiguousarray(planes[:, byte]).tobytes() for byte in range(planes.shape[1])]


def _strategy(encoding: Encoding) -> int:
    # Runs are all there is to find in quantized attention; exact floats repeat in short texts.
    return zlib.Z_DEFAULT_STRATEGY if encoding == "float32" else zlib.Z_RLE

"""Programs whose attention is known, written without knowledge of how capture works.

`PROGRAMS` maps names to builders: `PROGRAMS["scores.scale_on_query"]()` gives a `Program`.
`SHARDED` are those that need eight devices.
"""

from collections.abc import Callable
from importlib.util import find_spec

from tests.capture.programs.program import Program, Truth, collect

_FILES = [
    "scores",
    "latents",
    "masks",
    "biases",
    "softmaxes",
    "sinks",
    "precision",
    "dropout",
    "normalizers",
    "heads",
    "mixing",
    "blockwise",
    "blockwise_orders",
    "segments",
    "loops",
    "decoding",
    "additive",
    "pooling",
    "prefixes",
    "probes",
    "tables",
    "vision",
    "memory",
    "routers",
    "graphs",
    "edges",
    "training",
    "kernels",
    "linen_layers",
    "nnx_layers",
    "names",
    "gates",
    "negatives",
    "negatives_recurrent",
    "negatives_frameworks",
    "negatives_kernels",
    "field_approximating",
    "field_decoding",
    "field_gates",
    "field_language",
    "field_memory",
    "field_negatives",
    "field_negatives_probable",
    "field_normalizing",
    "field_pairs",
    "field_recommending",
    "field_sets",
    "field_sparse",
    "field_vision",
    "field_windows",
    "rules_moves",
    "rules_scores",
    "rules_weights",
    "rules_tokens",
    "negatives_rules",
]
_OPTIONAL = {
    "equinox_layers": "equinox",
    "haiku_layers": "haiku",
    "field_frameworks": "haiku",
}

PROGRAMS: dict[str, Callable[[], Program]] = collect(
    __name__, [*_FILES, *(file for file, needed in _OPTIONAL.items() if find_spec(needed))]
)

SHARDED: dict[str, Callable[[], Program]] = collect(__name__, ["sharded", "sharded_keys"])

__all__ = ["PROGRAMS", "SHARDED", "Program", "Truth"]

"""Measures what capture costs: time beside the plain program, analysis, compilation, memory."""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen
from printing import held, print_heading, print_table

from attnreport.capture.choice.options import Options
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.program.trace import trace
from attnreport.capture.transformation import with_attention

# The shape of BERT-base.
LAYERS, HEADS, FEATURES, TOKENS = 12, 12, 768, 512
REDUCTIONS = {
    "float32": None,
    "bfloat16": "bfloat16",
    "8 bits": "uint8",
    "statistics": "statistics",
}
TIMES, ANALYSIS_SECONDS = 1.15, 2.0


class Encoder(linen.Module):
    """A stack of encoder layers, unrolled."""

    layers: int
    heads: int = HEADS
    sow: bool = False

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The output of the last layer."""
        for _ in range(self.layers):
            attention = linen.MultiHeadDotProductAttention(self.heads)
            x = x + attention(linen.LayerNorm()(x), sow_weights=self.sow)
            y = linen.gelu(linen.Dense(4 * x.shape[-1])(linen.LayerNorm()(x)))
            x = x + linen.Dense(x.shape[-1])(y)
        return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each variant (default 5)")
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 8], help="batch sizes")
    arguments = parser.parse_args()
    device = jax.devices()[0]
    print_heading("Capture")
    print(f"JAX {jax.__version__} on {device.platform} ({device.device_kind}).\n")
    for batch in arguments.batch:
        print_running(batch, arguments.rounds)
    print_analysis()


def print_running(batch: int, rounds: int) -> None:
    """Runs all variants in turns in one process, so that a busy moment hits all of them."""
    model, variables, x = _model(LAYERS, (batch, TOKENS, FEATURES))
    sowing = Encoder(LAYERS, sow=True)
    variants: dict[str, Callable[..., Any]] = {
        "plain": model.apply,
        "Flax sow": lambda v, x: sowing.apply(v, x, mutable=["intermediates"]),
    }
    for name, reduce in REDUCTIONS.items():
        variants[f"capture, {name}"] = with_attention(model.apply, reduce=reduce, budget=1 << 40)
    compiled, seconds = {}, {}
    for name, variant in variants.items():
        start = time.perf_counter()
        lowered = jax.jit(variant).lower(variables, x)
        compiled[name] = lowered.compile()
        seconds[name] = time.perf_counter() - start
    samples: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, program in compiled.items():
            start = time.process_time()
            jax.block_until_ready(program(variables, x))
            samples[name].append(time.process_time() - start)
    plain = statistics.median(samples["plain"][1:])
    rows = []
    for name, program in compiled.items():
        median = statistics.median(samples[name][1:])
        memory = program.memory_analysis()
        ratio = median / plain
        rows.append(
            [
                name,
                f"{median:.2f} s",
                held(ratio, TIMES, "×") if name == "capture, 8 bits" else f"{ratio:.2f}×",
                f"{seconds[name]:.1f} s",
                f"{memory.output_size_in_bytes / 2**20:,.0f} MiB",
                f"{memory.temp_size_in_bytes / 2**20:,.0f} MiB",
            ]
        )
    print(f"{LAYERS} layers × {HEADS} heads × {TOKENS} tokens, batch {batch}, unrolled.\n")
    print_table(["", "processor time", "of plain", "compiled in", "results", "scratch"], rows)


def print_analysis() -> None:
    """Tracing and analysis without running, by the number of layers, also of a training step."""
    rows = []
    for layers in (12, 48, 96):
        model, variables, x = _model(layers, (1, 16, 64), heads=4)
        programs = {
            "forward": model.apply,
            "with gradients": jax.value_and_grad(lambda v, x, m=model: (m.apply(v, x) ** 2).sum()),
        }
        for name, program in programs.items():
            start = time.process_time()
            traced = trace(program, (variables, x), {})
            middle = time.process_time()
            plan = plan_of(traced, Options())
            analyzed = time.process_time() - middle
            budgeted = layers == 48 and name == "forward"
            shown = held(analyzed, ANALYSIS_SECONDS, " s") if budgeted else f"{analyzed:.2f} s"
            equations = f"{len(traced.closed.jaxpr.eqns):,}"
            traced_in = f"{middle - start:.2f} s"
            rows.append([str(layers), name, equations, str(len(plan.kept)), traced_in, shown])
    header = ["layers", "", "equations", "attentions", "traced in", "analyzed in"]
    print_table(header, rows)


def _model(
    layers: int, shape: tuple[int, ...], heads: int = HEADS
) -> tuple[Encoder, Any, jax.Array]:
    model = Encoder(layers, heads)
    x = jax.random.normal(jax.random.key(1), shape, jnp.float32)
    return model, jax.jit(model.init)(jax.random.key(0), x), x


if __name__ == "__main__":
    main()

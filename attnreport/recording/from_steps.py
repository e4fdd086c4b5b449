"""Makes a Recording of the attention of a generation that the caller has step by step."""

from collections.abc import Sequence
from typing import Any

from attnreport._errors import InvalidAttentionError
from attnreport.recording.attention_map import Kind
from attnreport.recording.from_arrays import recording_from_arrays
from attnreport.recording.generation import Generation
from attnreport.recording.labels import Labels
from attnreport.recording.recording import Recording, Source
from attnreport.recording.stitching import stitch_steps


def recording_from_steps(
    steps: Sequence[Sequence[Any]],
    prompt: Labels | Sequence[Labels],
    generation: Generation | Sequence[Generation],
    *,
    key_tokens: Labels | Sequence[Labels] | None = None,
    kind: Kind | None = None,
    group: str = "",
    example_names: Sequence[str] | None = None,
    source: Source | None = None,
) -> Recording:
    """A recording of what a decoder wrote, from its weights step by step.

    This is the form in which many libraries return them, Hugging Face's `generate` with
    `output_attentions=True` among them: rows of the whole prompt first, then one row a step, over
    one more key each.

    Args:
        steps: For each step its layers, each `[head, query, key]` or `[batch, head, query, key]`,
            of any array library.
        prompt: Tokens that the model read before it wrote; see `stitch_steps`.
        generation: What it wrote; likewise.
        key_tokens: Labels of the keys of cross-attention, as in `Recording.from_arrays`.
        kind: `self` or `cross` by default, depending on `key_tokens`.
        group: Name of the stack of layers, such as `decoder self-attention`.
        example_names: A name per example.
        source: Where the weights come from.

    Raises:
        InvalidAttentionError: The steps differ in their layers, are not attention, or do not fit
            together or to the tokens.
    """
    counts = sorted({len(layers) for layers in steps})
    if len(counts) != 1 or counts[0] == 0:
        raise InvalidAttentionError(
            f"The steps have {', '.join(map(str, counts)) or 'no'} layers. Give at least one step, "
            "and for each step a list with all layers."
        )
    recordings = [
        recording_from_arrays(
            list(layers),
            key_tokens=key_tokens,
            kind=kind,
            group=group,
            names=[f"layer {layer} (call {number + 1})" for layer in range(counts[0])],
            example_names=example_names,
            source=source,
        )
        for number, layers in enumerate(steps)
    ]
    return stitch_steps(Recording.join_groups(recordings), prompt, generation)

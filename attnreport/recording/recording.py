"""The hinge: everything before it makes a Recording, everything after it reads one."""

import dataclasses
import importlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from attnreport._errors import InvalidAttentionError
from attnreport.recording.attention_map import AttentionMap, Kind
from attnreport.recording.checks import Checks
from attnreport.recording.deletion import Deletion
from attnreport.recording.generation import Generation
from attnreport.recording.importance import Importance
from attnreport.recording.layers import layer_numbers
from attnreport.recording.outcomes import Confusion, Training
from attnreport.recording.pictures import Picture, require_picture

if TYPE_CHECKING:
    from os import PathLike


@dataclasses.dataclass(frozen=True)
class Example:
    """One input, what the model made of it, and every attention it used on the way.

    Attributes:
        name: Short label, unique in its recording, such as `test 17`.
        maps: Attention maps in forward order.
        input: The text that went in; empty when it is not text.
        output: The text that came out; of a classifier, the class it chose.
        target: The text that should have come out; for a classifier, the true class.
        scores: Numbers about this example, such as `{"AER": 0.04}`.
        picture: The picture that went in; None when it is not one.
        generation: What the model wrote token by token; None when it did not, or nobody looked.
    """

    name: str
    maps: tuple[AttentionMap, ...]
    input: str = ""
    output: str = ""
    target: str = ""
    scores: Mapping[str, float] = dataclasses.field(default_factory=dict)
    picture: Picture | None = None
    generation: Generation | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", tuple(self.maps))
        require_picture(self.picture, f"example {self.name!r}")
        _require_rows_of_steps(self)

    @property
    def right(self) -> bool | None:
        """Whether the output is the target; None where one of them is not known."""
        return self.output == self.target if self.output and self.target else None


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the weights come from.

    Attributes:
        model: Name of the model.
        framework: Library it is written in.
        versions: Version of each library that computed the weights.
        step: Training step of the checkpoint, if it is one.
        data: What the examples are and where they come from, in a sentence.
        created: When the weights were computed, as an ISO date; empty when unknown.
        notes: Things a reader must know, a sentence each.
    """

    model: str = ""
    framework: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    step: int | None = None
    data: str = ""
    created: str = ""
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Metric:
    """One number about the model or its attention, over a whole data set.

    Attributes:
        name: What it measures, such as `alignment error rate`.
        value: The number.
        detail: A sentence that says on what it was measured and what 0 and 1 mean.
        percent: Whether to print it as a percentage.
    """

    name: str
    value: float
    detail: str = ""
    percent: bool = False


@dataclasses.dataclass(frozen=True)
class Recording:
    """The attention of one model at one moment, on one or more examples.

    It holds NumPy arrays and text only, so it outlives the process, the device and the framework
    that made it. Examples may differ in lengths, maps in numbers of heads.

    Attributes:
        examples: What went in and what attention it caused.
        source: Where the weights come from.
        metrics: Numbers over a whole data set, not only these examples.
        confusion: For a classifier, how often it gave each class for each class.
        training: How the model came to be.
        deletion: How its score falls as parts of its inputs are taken away.
        importance: How its score falls without each of its heads.
    """

    examples: tuple[Example, ...]
    source: Source = Source()
    metrics: tuple[Metric, ...] = ()
    confusion: Confusion | None = None
    training: Training | None = None
    deletion: Deletion | None = None
    importance: Importance | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "examples", tuple(self.examples))
        object.__setattr__(self, "metrics", tuple(self.metrics))
        if not self.examples:
            raise InvalidAttentionError(
                "A recording needs at least one example, and got none. Give it the attention of "
                "at least one input."
            )
        (name, times), *_ = Counter(each.name for each in self.examples).most_common(1)
        if times > 1:
            raise InvalidAttentionError(
                f"{times} examples are called {name!r}. Give each example a name of its own."
            )
        for example in self.examples:
            if not example.maps:
                raise InvalidAttentionError(
                    f"Example {example.name!r} has no attention map. Leave examples without "
                    "attention out of the recording."
                )
            _require_layers_of_their_own(example)

    def __repr__(self) -> str:
        """What it holds: the model, the examples, and the maps of the first of them."""
        first = self.examples[0].maps
        lines = [f"  {each!r}" for each in first[:_SHOWN]]
        if len(first) > _SHOWN:
            lines.append(f"  … {len(first) - _SHOWN} more")
        count = "1 example" if len(self.examples) == 1 else f"{len(self.examples)} examples"
        model = f"{self.source.model}, " if self.source.model else ""
        said = (self.confusion, self.training, self.deletion, self.importance)
        lines += [f"  {each!r}" for each in said if each is not None]
        return "\n".join([f"Recording({model}{count}; the first has", *lines, ")"])

    @classmethod
    def from_arrays(
        cls,
        weights: Any,
        tokens: Any = None,
        *,
        key_tokens: Any = None,
        kind: Kind | None = None,
        group: str = "",
        names: Sequence[str] | None = None,
        mask: Any = None,
        reference: Any = None,
        logits: Any = None,
        padding: Literal["right", "left"] = "right",
        normalized: bool = True,
        example_names: Sequence[str] | None = None,
        source: Source | None = None,
        checks: Checks | None = None,
    ) -> "Recording":
        """A recording of weights that are already at hand.

        The arguments are those of `attnreport.recording.from_arrays.recording_from_arrays`.
        """
        from attnreport.recording.from_arrays import recording_from_arrays

        return recording_from_arrays(
            weights,
            tokens,
            key_tokens=key_tokens,
            kind=kind,
            group=group,
            names=names,
            mask=mask,
            reference=reference,
            logits=logits,
            padding=padding,
            normalized=normalized,
            example_names=example_names,
            source=source,
            checks=checks,
        )

    @classmethod
    def from_steps(
        cls,
        steps: Sequence[Sequence[Any]],
        prompt: Any,
        generation: Any,
        *,
        key_tokens: Any = None,
        kind: Kind | None = None,
        group: str = "",
        example_names: Sequence[str] | None = None,
        source: Source | None = None,
    ) -> "Recording":
        """A recording of a generation whose weights are at hand step by step.

        The arguments are those of `attnreport.recording.from_steps.recording_from_steps`.
        """
        from attnreport.recording.from_steps import recording_from_steps

        return recording_from_steps(
            steps,
            prompt,
            generation,
            key_tokens=key_tokens,
            kind=kind,
            group=group,
            example_names=example_names,
            source=source,
        )

    @classmethod
    def join_groups(cls, recordings: Sequence["Recording"]) -> "Recording":
        """One recording with the maps of several, example by example.

        Use it to put the encoder's, the decoder's and the cross-attention of the same examples
        into one report, or layers that look at different lengths. Layers keep the numbers they
        say, and without one count on in their group. Texts, pictures, generation, source, metrics,
        confusion, training, deletion and importance come from the first that has them; scores are
        merged, and the first wins.

        Raises:
            InvalidAttentionError: The recordings have different numbers of examples, two layers
                of a group have the same number, or an example wrote different tokens.
        """
        counts = [len(recording.examples) for recording in recordings]
        if len(set(counts)) != 1:
            raise InvalidAttentionError(
                f"Recordings of {counts} examples cannot be joined example by example. Record "
                "the same examples in each."
            )
        columns = zip(*(recording.examples for recording in recordings), strict=True)
        return cls(tuple(_joined(column) for column in columns), **_said_of_all(recordings))

    @classmethod
    def join_examples(cls, recordings: Sequence["Recording"]) -> "Recording":
        """One recording with the examples of several, renamed where their names collide.

        Source, metrics, confusion, training and deletion come from the first that has them;
        importance is kept where it is that of all of them.
        """
        taken: set[str] = set()
        examples = []
        for example in (example for recording in recordings for example in recording.examples):
            name, count = example.name, 2
            while name in taken:
                name, count = f"{example.name} ({count})", count + 1
            taken.add(name)
            examples.append(dataclasses.replace(example, name=name))
        said = _said_of_all(recordings)
        # What one model loses with a head says nothing of the heads of another.
        if any(recording.importance != said["importance"] for recording in recordings):
            said["importance"] = None
        return cls(tuple(examples), **said)

    def select(
        self,
        *,
        examples: Iterable[str | int] | None = None,
        groups: Iterable[str] | None = None,
        layers: Iterable[int] | None = None,
    ) -> "Recording":
        """A recording with some of the examples and maps, in the order they have here.

        Args:
            examples: Names or numbers of the examples to keep; all if left out.
            groups: Names of the groups to keep; all if left out.
            layers: Numbers of the layers to keep in each group; all if left out. A layer keeps
                its number, so after `select(layers=[5])` it is still layer 5.

        Raises:
            UnknownNameError: There is no such example, group or layer.
        """
        from attnreport.recording.selection import selected

        return selected(self, examples=examples, groups=groups, layers=layers)

    def save(self, target: "str | PathLike[str]") -> None:
        """Writes the recording as Zarr; see `attnreport.save_recording`.

        Args:
            target: A folder, or a URL such as `gs://bucket/run.attn`.

        Raises:
            RecordingFileError: It could not be written; what was there before is still there.
        """
        # The store lies below the recording, so it is looked up by name only when it is used.
        importlib.import_module("attnreport.store").save_recording(self, target)


def _require_layers_of_their_own(example: Example) -> None:
    numbers = zip((each.group for each in example.maps), layer_numbers(example.maps), strict=True)
    ((group, layer), times), *_ = Counter(numbers).most_common(1)
    if times > 1:
        raise InvalidAttentionError(
            f"Two maps of group {group!r} in example {example.name!r} are layer "
            f"{layer}. Give each its own `layer`, or a `group` of its own."
        )


def _require_rows_of_steps(example: Example) -> None:
    """Raises if maps say which rows wrote tokens, and there are no tokens or too many of them."""
    count = 0 if example.generation is None else len(example.generation)
    for attention in example.maps:
        if attention.first_step is None:
            continue
        rows = len(attention.query) - attention.first_step
        if not 0 < count <= rows:
            raise InvalidAttentionError(
                f"Rows of {attention.name!r} in example {example.name!r} wrote tokens from row "
                f"{attention.first_step} on, which leaves {rows} rows, and the generation of the "
                f"example has {count} tokens. Give a generation with at least one token, and a "
                "row for each."
            )


def _joined(examples: Sequence[Example]) -> Example:
    """One example with the maps of several recordings of it."""
    scores: dict[str, float] = {}
    _require_one_generation(examples)
    for example in reversed(examples):
        scores.update(example.scores)
    return Example(
        name=examples[0].name,
        maps=tuple(attention for example in examples for attention in example.maps),
        input=next((example.input for example in examples if example.input), ""),
        output=next((example.output for example in examples if example.output), ""),
        target=next((example.target for example in examples if example.target), ""),
        scores=scores,
        picture=next((each.picture for each in examples if each.picture is not None), None),
        generation=next((e.generation for e in examples if e.generation is not None), None),
    )


def _require_one_generation(examples: Sequence[Example]) -> None:
    """Raises if recordings of an example say that different tokens were written."""
    texts = {each.generation.tokens: None for each in examples if each.generation is not None}
    if len(texts) > 1:
        one, other, *_ = texts
        raise InvalidAttentionError(
            f"Example {examples[0].name!r} wrote {' '.join(one)[:60]!r} in one recording and "
            f"{' '.join(other)[:60]!r} in another, so rows of one would be those of other tokens. "
            "Join recordings of the same generation only."
        )


def _said_of_all(recordings: Sequence[Recording]) -> dict[str, Any]:
    """What is said of no single example, from the first recording that says it."""
    return {
        "source": next((r.source for r in recordings if r.source != Source()), Source()),
        "metrics": next((r.metrics for r in recordings if r.metrics), ()),
        "confusion": next((r.confusion for r in recordings if r.confusion is not None), None),
        "training": next((r.training for r in recordings if r.training is not None), None),
        "deletion": next((r.deletion for r in recordings if r.deletion is not None), None),
        "importance": next((r.importance for r in recordings if r.importance is not None), None),
    }


_SHOWN = 6

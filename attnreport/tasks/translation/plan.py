"""What a training of a translator depends on."""

import dataclasses

from attnreport.models.transformer_layers import TransformerSizes
from attnreport.tasks.training import Schedule
from attnreport.tasks.translation.corpus import CorpusSizes


@dataclasses.dataclass(frozen=True)
class RecurrentSizes:
    """Sizes of the recurrent translator, as far as the corpus does not decide them.

    Attributes:
        attention: How the decoder looks at the source: one of
            `attnreport.models.looking.ATTENTIONS`.
        embedding: Features of a word.
        hidden: Features of a recurrent state, in each direction.
        scoring: Features of the network that scores a source word.
        dropout: Share of features that training drops.
    """

    attention: str = "additive"
    embedding: int = 64
    hidden: int = 96
    scoring: int = 64
    dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class TranslationPlan:
    """Everything that a training of a translator depends on, besides code and machine.

    Attributes:
        corpus: How much to learn from.
        schedule: How long and how fast; its seed is that of the corpus and of the order of
            sentences, too.
        sizes: Which model, and how large.
        batch: Sentences in a batch.
        one_width: Whether short and long sentences share batches, because there are few.
        vocabulary: Most words of a language; None for all.
        removals: From how many test sentences words are taken, and heads from the model.
        data: Where the sentences come from, if not from the grammar.
        digest: Tells those sentences apart from others.
    """

    corpus: CorpusSizes = dataclasses.field(default_factory=CorpusSizes)
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    sizes: RecurrentSizes | TransformerSizes = dataclasses.field(default_factory=RecurrentSizes)
    batch: int = 64
    one_width: bool = False
    vocabulary: int | None = None
    removals: int = 40
    data: str = ""
    digest: str = ""

    @property
    def width(self) -> int:
        """Columns for the longest English sentence with its end marker."""
        return self.corpus.longest + 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of batches, end markers included, in ascending order."""
        narrower = () if self.one_width else (8, 12)
        return (*(width for width in narrower if width < self.width), self.width)


def translation_plan(
    model: str, attention: str, *, seed: int = 0, quick: bool = False
) -> TranslationPlan:
    """The plan of the demo.

    Args:
        model: `gru` or `transformer`.
        attention: Of the first, one of `attnreport.models.looking.ATTENTIONS`, or its baseline.
        seed: Of everything that is drawn at random.
        quick: Whether to be done in seconds: sentences are short and few.
    """
    if model == "transformer":
        sizes = TransformerSizes(features=64, heads=4, layers=2, feed_forward=128)
        schedule = Schedule(seed, epochs=5, rounds=1, learning_rate=5e-3)
    else:
        sizes, schedule = RecurrentSizes(attention), Schedule(seed)
    plan = TranslationPlan(schedule=schedule, sizes=sizes)
    if not quick:
        return plan
    return dataclasses.replace(
        plan,
        corpus=CorpusSizes(train=2_000, validation=200, test=200, longest=9),
        schedule=dataclasses.replace(schedule, epochs=2, rounds=1, hurried=True),
        batch=32,
        one_width=True,
        removals=6,
    )

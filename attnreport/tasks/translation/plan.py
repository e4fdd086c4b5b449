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
    """

    corpus: CorpusSizes = dataclasses.field(default_factory=CorpusSizes)
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    sizes: RecurrentSizes | TransformerSizes = dataclasses.field(default_factory=RecurrentSizes)
    batch: int = 64

    @property
    def width(self) -> int:
        """Columns for the longest English sentence with its end marker."""
        return self.corpus.longest + 1


def quick_plan(plan: TranslationPlan) -> TranslationPlan:
    """A plan with the same model that is over in seconds: short sentences, and few of them."""
    return dataclasses.replace(
        plan,
        corpus=CorpusSizes(train=6_000, validation=200, test=300, longest=9),
        schedule=dataclasses.replace(plan.schedule, epochs=2, rounds=1),
    )

"""Trains the translator on the corpus, and keeps the best of it."""

import dataclasses
import functools
import time
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from attnreport.models.translator import PADDING, Translator, TranslatorSizes
from attnreport.tasks.batches import Batch, Languages, bucketed, shuffled_batches
from attnreport.tasks.checkpoints import Checkpoints, History
from attnreport.tasks.corpus import Corpus, CorpusSizes
from attnreport.tasks.evaluation import sentences_right


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """Everything that a training run depends on, besides code and machine.

    Attributes:
        corpus: How much to learn from.
        seed: Of the corpus, of the first parameters, and of the order of sentences.
        embedding: Features of a word.
        hidden: Features of a recurrent state, in each direction.
        scoring: Features of the network that scores a source word.
        attention: How the decoder looks at the source: one of
            `attnreport.models.looking.ATTENTIONS`.
        dropout: Share of features that training drops.
        epochs: Most epochs.
        rounds: How often an epoch is interrupted to look at the validation sentences.
        patience: Rounds without a better validation score after which training stops.
        batch: Sentences in a batch.
        learning_rate: Its highest value; it rises over the first tenth of all steps and then
            falls along a cosine.
    """

    corpus: CorpusSizes = dataclasses.field(default_factory=CorpusSizes)
    seed: int = 0
    embedding: int = 64
    hidden: int = 96
    scoring: int = 64
    attention: str = "additive"
    dropout: float = 0.0
    epochs: int = 3
    rounds: int = 2
    patience: int = 3
    batch: int = 64
    learning_rate: float = 5e-3

    @property
    def width(self) -> int:
        """Columns for the longest English sentence with its end marker."""
        return self.corpus.longest + 1


class State(NamedTuple):
    """What a training step changes: parameters, optimizer, and how many steps there were.

    The fields are nested arrays, or their shapes where a state is only described.
    """

    parameters: Any
    optimizer: optax.OptState
    step: Any


class Losses(NamedTuple):
    """Numbers about one batch: cross-entropy per word in nats, and share of words right."""

    loss: Float[Array, ""]
    accuracy: Float[Array, ""]


class Watcher(Protocol):
    """What is told how a training run goes."""

    def begin(self, steps: int, done: int) -> None:
        """Training begins, at `done` of `steps` steps."""
        ...

    def step(self, losses: Losses) -> None:
        """A step was started; reading `losses` waits for it."""
        ...

    def validated(self, accuracy: float) -> None:
        """A round ended, with this share of validation sentences right."""
        ...


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model at the end of its training.

    Attributes:
        model: The model with the parameters of its best round, in evaluation mode.
        languages: Its vocabularies.
        history: Numbers about each round.
        best: Number of the round that was kept; 0 if training was interrupted before the first.
        interrupted: Whether somebody stopped the training before it was done.
    """

    model: Translator
    languages: Languages
    history: History
    best: int
    interrupted: bool


class Trainer:
    """Trains a translator as a plan says.

    Parameters are held apart from the module, as values that each step replaces: so an interrupt
    in the middle of a step leaves the values of the step before.
    """

    def __init__(self, plan: TrainingPlan, corpus: Corpus, languages: Languages) -> None:
        self.plan, self.corpus, self.languages = plan, corpus, languages
        self._buckets = bucketed(corpus.train, languages, bucket_widths(plan.width))
        self._steps = sum(len(bucket.source) // plan.batch for bucket in self._buckets)
        self._optimizer = _optimizer(plan, self._steps * plan.epochs)
        model = new_model(translator_sizes(plan, languages), plan.seed)
        self._graph, parameters, self._rest = nnx.split(model, nnx.Param, ...)
        self.first = State(parameters, self._optimizer.init(parameters), jnp.zeros((), jnp.int32))
        self._step = jax.jit(self._advance)

    def train(self, checkpoints: Checkpoints | None, watcher: Watcher) -> Trained:
        """Trains from the last checkpoint, or from the start, to the end or an interrupt.

        Args:
            checkpoints: Where to keep states; None keeps them in memory only.
            watcher: What to tell how it goes.
        """
        history, state = (checkpoints and checkpoints.last(self.first)) or ([], self.first)
        kept = checkpoints.best(self.first) if checkpoints else None
        best = (len(kept[0]), kept[1]) if kept else (0, state)
        watcher.begin(self._steps * self.plan.epochs, int(state.step))
        interrupted = False
        try:
            while not self._done(history):
                started = time.perf_counter()
                for batch in self._round(len(history)):
                    state, losses = self._step(state, batch)
                    watcher.step(losses)
                score = self._score(state)
                seconds = time.perf_counter() - started
                if score >= max((scored for scored, _ in history), default=0.0):
                    best = (len(history) + 1, state)
                history = [*history, (score, seconds)]
                watcher.validated(score)
                if checkpoints:
                    checkpoints.save(history, state)
        except KeyboardInterrupt:
            interrupted = True
            best = best if best[0] else (0, state)
        return Trained(self._model(best[1]), self.languages, history, best[0], interrupted)

    def _model(self, state: State) -> Translator:
        model = nnx.merge(self._graph, state.parameters, self._rest)
        model.eval()
        return model

    def _score(self, state: State) -> float:
        pairs = self.corpus.validation
        right = sentences_right(self._model(state), self.languages, pairs, self.plan.width)
        return float(right.mean())

    def _done(self, history: History) -> bool:
        scores = [score for score, _ in history]
        since_best = len(scores) - 1 - scores.index(max(scores)) if scores else 0
        complete = len(scores) >= self.plan.epochs * self.plan.rounds
        return complete or since_best >= self.plan.patience

    def _round(self, number: int) -> list[Batch]:
        """The batches of one round: a share of the batches of its epoch."""
        epoch, part = divmod(number, self.plan.rounds)
        batches = shuffled_batches(self._buckets, self.plan.batch, (self.plan.seed, epoch))
        share = -(-len(batches) // self.plan.rounds)
        return batches[part * share : (part + 1) * share]

    def _advance(self, state: State, batch: Batch) -> tuple[State, Losses]:
        target = jnp.asarray(batch.target)

        def loss(parameters: nnx.State) -> tuple[Array, Array]:
            # A copy, because the state of dropout must not be changed outside of this trace.
            model = nnx.merge(self._graph, parameters, self._rest, copy=True)
            key = jax.random.fold_in(jax.random.key(self.plan.seed), state.step)
            nnx.reseed(model, dropout=key)
            return _losses(model(jnp.asarray(batch.source), target), target)

        (value, accuracy), gradients = jax.value_and_grad(loss, has_aux=True)(state.parameters)
        updates, optimizer = self._optimizer.update(gradients, state.optimizer, state.parameters)
        parameters = optax.apply_updates(state.parameters, updates)
        return State(parameters, optimizer, state.step + 1), Losses(value, accuracy)


def translator_sizes(plan: TrainingPlan, languages: Languages) -> TranslatorSizes:
    """Sizes of the translator of a plan."""
    return TranslatorSizes(
        len(languages.source),
        len(languages.target),
        embedding=plan.embedding,
        hidden=plan.hidden,
        scoring=plan.scoring,
        dropout=plan.dropout,
        attention=plan.attention,
    )


def new_model(sizes: TranslatorSizes, seed: int) -> Translator:
    """A translator before any training."""
    return _new_model(sizes, jax.random.key(seed))


# Compiling all initializers at once is quicker than one by one.
@functools.partial(nnx.jit, static_argnums=0)
def _new_model(sizes: TranslatorSizes, key: Key[Array, ""]) -> Translator:
    return Translator(sizes, rngs=nnx.Rngs(params=key, dropout=key))


def load_model(plan: TrainingPlan, languages: Languages, checkpoints: Checkpoints) -> Translator:
    """The model of the best round in `checkpoints`, in evaluation mode.

    Raises:
        LookupError: There is no checkpoint.
    """
    sizes = translator_sizes(plan, languages)
    model = nnx.eval_shape(lambda: Translator(sizes, rngs=nnx.Rngs(params=0, dropout=0)))
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    optimizer = jax.eval_shape(_optimizer(plan, 1).init, parameters)
    kept = checkpoints.best(State(parameters, optimizer, jax.ShapeDtypeStruct((), jnp.int32)))
    if kept is None:
        raise LookupError("There is no checkpoint to load a model from.")
    model = nnx.merge(graph, kept[1].parameters, jax.tree.map(_unused, rest))
    model.eval()
    return model


def _unused(leaf: jax.ShapeDtypeStruct) -> Array:
    """A value for the state of dropout, which a model in evaluation mode does not look at."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key(0)
    return jnp.zeros(leaf.shape, leaf.dtype)


def bucket_widths(longest: int) -> tuple[int, ...]:
    """Widths of batches for English sentences of up to `longest` words, end marker included."""
    return (*(width for width in (8, 12) if width < longest), longest)


def _optimizer(plan: TrainingPlan, steps: int) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=plan.learning_rate,
        warmup_steps=max(steps // 10, 1),
        decay_steps=max(steps, 2),
        end_value=plan.learning_rate / 100,
    )
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, b2=0.98))


def _losses(
    logits: Float[Array, "batch target word"], target: Int[Array, "batch target"]
) -> tuple[Array, Array]:
    """Mean cross-entropy of real words in nats, and share of them that are right."""
    real = target != PADDING
    count = real.sum()
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, target)
    right = (logits.argmax(axis=-1) == target) & real
    return jnp.where(real, losses, 0.0).sum() / count, right.sum() / count

"""Trains a model of any task, and keeps the best of it."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Key

from attnreport.tasks.checkpoints import Checkpoints, Round
from attnreport.tasks.interrupts import Interrupts

Model = TypeVar("Model", bound=nnx.Module)

_NOTHING_LEARNED = "Interrupted before the first training step: there is no trained model to show."


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast a model learns.

    Attributes:
        seed: Of the first parameters, and of what training draws at random.
        epochs: Most epochs.
        rounds: How often an epoch is interrupted to look at the validation data.
        patience: Rounds without a better validation score after which training stops.
        learning_rate: Its highest value; it rises over the first tenth of all steps and then
            falls along a cosine.
        weight_decay: Share of each parameter that a step takes away, per learning rate.
        hurried: Whether to compile what draws the first parameters without optimizing it, which
            takes a quarter of the time; it runs once. The parameters are rounded otherwise then.
    """

    seed: int = 0
    epochs: int = 3
    rounds: int = 2
    patience: int = 3
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    hurried: bool = False


class Losses(NamedTuple):
    """Numbers about one batch: the loss that training lowers, and the share that is right."""

    loss: Float[Array, ""]
    accuracy: Float[Array, ""]


class Task(Protocol[Model]):
    """What there is to learn, and how to tell that it was learned.

    A batch is any nest of arrays; batches of the same shapes are compiled once.
    """

    @property
    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
        ...

    @property
    def scored(self) -> str:
        """What the validation score is the share of, such as "sentences right"."""
        ...

    def new_model(self, rngs: nnx.Rngs) -> Model:
        """A model before any training. It is traced, so it depends on nothing but `rngs`."""
        ...

    def batches(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch, as many in each, in an order that depends on it."""
        ...

    def loss(self, model: Model, batch: Any, key: Key[Array, ""]) -> Losses:
        """Numbers about a batch; the first is differentiated.

        Args:
            model: The model in training mode; its dropout is new in each step.
            batch: One of `batches`.
            key: For what else is drawn at random, such as shifts of pictures.
        """
        ...

    def score(self, model: Model) -> float:
        """The share of the validation data that the model, in evaluation mode, has right."""
        ...


class State(NamedTuple):
    """What a training step changes: parameters, optimizer, and how many steps there were.

    The fields are nested arrays, or their shapes where a state is only described.
    """

    parameters: Any
    optimizer: Any
    step: Any


class Watcher(Protocol):
    """What is told how a training run goes."""

    def begin(self, steps: int, done: int) -> None:
        """Training begins, at `done` of `steps` steps."""
        ...

    def step(self, losses: Losses) -> None:
        """A step was started; reading `losses` waits for it."""
        ...

    def validated(self, score: float) -> None:
        """A round ended, with this share of the validation data right."""
        ...


@dataclasses.dataclass(frozen=True)
class Trained(Generic[Model]):
    """A model at the end of its training.

    Attributes:
        model: The model with the parameters of its best round, in evaluation mode.
        history: Numbers about each round.
        best: Number of the round that was kept; 0 if training was interrupted before the first.
        interrupted: Whether somebody stopped the training before it was done.
    """

    model: Model
    history: tuple[Round, ...]
    best: int
    interrupted: bool


class Trainer(Generic[Model]):
    """Trains the model of a task.

    Parameters are held apart from the module, as values that each step replaces: so an interrupt
    in the middle of a step leaves the values of the step before. What else a module holds, such
    as means of a batch normalization, stays as it was at first.
    """

    def __init__(self, task: Task[Model]) -> None:
        self.task = task
        self._steps_of_epoch = len(task.batches(0))
        self._optimizer = _optimizer(task.schedule, self._steps_of_epoch * task.schedule.epochs)
        model = new_model(task, task.schedule.seed)
        self._graph, parameters, self._rest = nnx.split(model, nnx.Param, ...)
        self.first = State(parameters, self._optimizer.init(parameters), jnp.zeros((), jnp.int32))
        self._step = jax.jit(self._advance)

    def train(
        self,
        checkpoints: Checkpoints | None,
        watcher: Watcher,
        interrupts: Interrupts | None = None,
    ) -> Trained[Model]:
        """Trains from the last checkpoint, or from the start, to the end or an interrupt.

        Args:
            checkpoints: Where to keep states; None keeps them in memory only.
            watcher: What to tell how it goes.
            interrupts: What remembers Ctrl-C; it is asked after each step.

        Raises:
            KeyboardInterrupt: It came before the first step, so nothing was learned.
        """
        history, state = (checkpoints and checkpoints.last(self.first)) or ((), self.first)
        kept = checkpoints.best(self.first) if checkpoints else None
        best = (len(kept[0]), kept[1]) if kept else (0, state)
        watcher.begin(self._steps_of_epoch * self.task.schedule.epochs, int(state.step))
        interrupted = False
        self._last, self._interrupts = state, interrupts or Interrupts()
        try:
            while not self._done(history):
                state, entry = self._round(state, len(history), watcher)
                if entry.score >= max((each.score for each in history), default=entry.score):
                    best = (len(history) + 1, state)
                history = (*history, entry)
                watcher.validated(entry.score)
                if checkpoints:
                    checkpoints.save(history, state)
        except KeyboardInterrupt:
            if int(self._last.step) == 0:
                raise KeyboardInterrupt(_NOTHING_LEARNED) from None
            interrupted = True
            best = best if best[0] else (0, self._last)
        return Trained(self._model(best[1]), history, best[0], interrupted)

    def _round(self, state: State, number: int, watcher: Watcher) -> tuple[State, Round]:
        """The state after a round, and numbers about it."""
        started = time.perf_counter()
        losses = []
        for batch in self._batches(number):
            state, found = self._step(state, batch)
            # What came while the first step was compiled came before it.
            self._interrupts.check()
            self._last = state
            losses.append(found)
            watcher.step(found)
        means = jax.tree.map(lambda *values: float(jnp.stack(values).mean()), *losses)
        score = self._score(state)
        seconds = time.perf_counter() - started
        return state, Round(int(state.step), means.loss, means.accuracy, score, seconds)

    def _batches(self, number: int) -> Sequence[Any]:
        """The batches of one round: a share of the batches of its epoch."""
        epoch, part = divmod(number, self.task.schedule.rounds)
        batches = self.task.batches(epoch)
        share = -(-len(batches) // self.task.schedule.rounds)
        return batches[part * share : (part + 1) * share]

    def _model(self, state: State) -> Model:
        model = nnx.merge(self._graph, state.parameters, self._rest)
        model.eval()
        return model

    def _score(self, state: State) -> float:
        return self.task.score(self._model(state))

    def _done(self, history: Sequence[Round]) -> bool:
        scores = [each.score for each in history]
        since_best = len(scores) - 1 - scores.index(max(scores)) if scores else 0
        complete = len(scores) >= self.task.schedule.epochs * self.task.schedule.rounds
        return complete or since_best >= self.task.schedule.patience

    def _advance(self, state: State, batch: Any) -> tuple[State, Losses]:
        dropping, drawing = jax.random.split(
            jax.random.fold_in(jax.random.key(self.task.schedule.seed), state.step)
        )

        def loss(parameters: nnx.State) -> tuple[Array, Losses]:
            # A copy, because the state of dropout must not be changed outside of this trace.
            model = nnx.merge(self._graph, parameters, self._rest, copy=True)
            nnx.reseed(model, dropout=dropping)
            losses = self.task.loss(model, batch, drawing)
            return losses.loss, losses

        (_, losses), gradients = jax.value_and_grad(loss, has_aux=True)(state.parameters)
        updates, optimizer = self._optimizer.update(gradients, state.optimizer, state.parameters)
        parameters = optax.apply_updates(state.parameters, updates)
        return State(parameters, optimizer, state.step + 1), losses


def new_model(task: Task[Model], seed: int) -> Model:
    """The model of a task before any training."""
    return _initializer(task)(jax.random.key(seed))


@functools.lru_cache(maxsize=1)
def _initializer(task: Task[Model]) -> Callable[[Key[Array, ""]], Model]:
    """Makes models of a task; kept, because compiling it takes seconds."""
    graph = nnx.graphdef(_abstract_model(task))

    # Compiling all initializers at once is quicker than one by one.
    @functools.partial(jax.jit, compiler_options=_compiler_options(task.schedule))
    def state(key: Key[Array, ""]) -> nnx.State:
        return nnx.state(task.new_model(nnx.Rngs(params=key, dropout=key)))

    return lambda key: nnx.merge(graph, state(key))


def _compiler_options(schedule: Schedule) -> dict[str, Any] | None:
    hurried = schedule.hurried and jax.default_backend() == "cpu"
    return {"xla_backend_optimization_level": 0} if hurried else None


def _abstract_model(task: Task[Model]) -> Model:
    """A model of a task with the shapes of its parameters in place of them."""
    return nnx.eval_shape(lambda: task.new_model(nnx.Rngs(params=0, dropout=0)))


def load_model(task: Task[Model], checkpoints: Checkpoints) -> Model:
    """The model of the best round in `checkpoints`, in evaluation mode.

    Raises:
        LookupError: There is no checkpoint.
    """
    model = _abstract_model(task)
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    optimizer = jax.eval_shape(_optimizer(task.schedule, 1).init, parameters)
    kept = checkpoints.best(State(parameters, optimizer, jax.ShapeDtypeStruct((), jnp.int32)))
    if kept is None:
        raise LookupError("There is no checkpoint to load a model from.")
    model = nnx.merge(graph, kept[1].parameters, jax.tree.map(_unused, rest))
    model.eval()
    return model


def parameter_count(model: nnx.Module) -> int:
    """Number of parameters of a model."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def _unused(leaf: jax.ShapeDtypeStruct) -> Array:
    """A value for the state of dropout, which a model in evaluation mode does not look at."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key(0)
    return jnp.zeros(leaf.shape, leaf.dtype)


def _optimizer(schedule: Schedule, steps: int) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=schedule.learning_rate,
        warmup_steps=max(steps // 10, 1),
        decay_steps=max(steps, 2),
        end_value=schedule.learning_rate / 100,
    )
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(rate, b2=0.98, weight_decay=schedule.weight_decay),
    )

"""What the templates say of how well the model does and how it was trained."""

from attnreport.analysis import visible_text
from attnreport.recording import (
    Confusion,
    Deletion,
    DeletionCurve,
    Example,
    Recording,
    Training,
)
from attnreport.report.context import DeletionText, Verdict
from attnreport.report.outcomes import training_panels
from attnreport.report.phrases import counted

# At most so many of the orders drawn at random may do as well as one that is said to be better.
_TELLING = 0.05


def compares(recording: Recording) -> bool:
    """Whether some of several examples are right and others are wrong."""
    return {True, False} <= {example.right for example in recording.examples}


def filters(recording: Recording) -> tuple[tuple[str, str, int], ...]:
    """Value, name and count of each choice of examples; none where there is nothing to choose."""
    if not compares(recording):
        return ()
    # Of a translation that differs nobody can say that it is wrong.
    right, wrong = ("right", "wrong") if recording.confusion else ("as expected", "different")
    outcomes = [example.right for example in recording.examples]
    return (
        ("all", "all", len(outcomes)),
        ("right", right, outcomes.count(True)),
        ("wrong", wrong, outcomes.count(False)),
    )


def verdict_on(example: Example) -> str:
    """`right` or `wrong`; empty where that is not known."""
    return {True: "right", False: "wrong", None: ""}[example.right]


def class_names(confusion: Confusion | None) -> tuple[str, ...]:
    """The names of the classes, every character visible."""
    return tuple(visible_text(label) for label in confusion.labels) if confusion else ()


def confusion_rows(
    confusion: Confusion | None,
) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """For each class its name, its counts, and the share of it that was recognized."""
    if confusion is None:
        return ()
    rows = []
    for number, (name, counts) in enumerate(
        zip(class_names(confusion), confusion.counts, strict=True)
    ):
        total = int(counts.sum())
        share = f"{counts[number] / total:.1%}" if total else "–"
        rows.append((name, tuple(f"{count:,}" for count in counts), share))
    return tuple(rows)


def panel_names(training: Training | None) -> tuple[str, ...]:
    """For each panel of curves, what they are."""
    if training is None:
        return ()
    return tuple(", ".join(curve.name for curve in curves) for curves in training_panels(training))


def kept_step(training: Training | None) -> str:
    """The step of the checkpoint that was kept; empty where it is not known."""
    return "" if training is None or training.chosen is None else f"{training.chosen:,}"


def deletion_text(deletion: Deletion | None) -> DeletionText | None:
    """How to read the curves of taking away, and the curves as a table."""
    if deletion is None:
        return None
    what = (
        f"the {visible_text(deletion.score)} without a share of the "
        f"{visible_text(deletion.positions)}, of {visible_text(deletion.data)}: the faster it "
        "falls, the more the model needs what goes first"
    )
    if any(curve.spread for curve in deletion.curves):
        what += "; a bar spans several draws of an order"
    return DeletionText(
        what,
        tuple(f"{share:.0%}" for share in deletion.shares),
        tuple(
            (visible_text(curve.name), tuple(f"{score:.3f}" for score in curve.scores))
            for curve in deletion.curves
        ),
        tuple(
            _verdict(curve, curve.chance) for curve in deletion.curves if curve.chance is not None
        ),
        visible_text(deletion.data),
    )


def _verdict(curve: DeletionCurve, chance: float) -> Verdict:
    """Whether an order tells more than one drawn at random, and what to make of it."""
    name = visible_text(curve.name)
    if curve.draws and 1 / (1 + curve.draws) > _TELLING:
        orders = counted(curve.draws, "random order")
        return Verdict(name, False, f"was compared with {orders}, too few to tell")
    # Phipson and Smyth (2010): (1 + those that do as well) / (1 + draws).
    as_good = round(chance * (1 + curve.draws)) - 1
    often = f"{as_good or 'none'} of {curve.draws} random orders" if curve.draws else ""
    often = often or f"{100 * chance:.2g}% of random orders"
    verb = "does" if as_good == 1 and curve.draws else "do"
    if chance <= _TELLING:
        return Verdict(name, True, f"tells what the model needs: {often} {verb} as well")
    said = (
        f"is not shown to tell what the model needs: {often} {verb} as well. Do not read it as "
        "what the model goes by"
    )
    return Verdict(name, False, said)

"""The demos: small models that are trained here, to have something to look at."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attnreport._errors import AttnReportError, UnknownNameError
from attnreport.recording import Recording

# Seeds of JAX and NumPy are whole numbers of 32 bits.
_LARGEST_SEED = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class Demo:
    """Something to train and look at.

    Attributes:
        description: What it is, in a line.
        run: Trains it, or finds it trained, and records its attention. It takes the keyword
            arguments `seed`, `fresh`, `progress`, `quick` and, with `data`, `data` of
            `run_demo`, and its own options as far as they were chosen.
        options: What there is to choose from under each option of its own, the default first.
        only_with: Of options that do not go with everything, the option and its choice that
            each needs.
        data: What a folder of the user's own data holds, in a line; empty if it takes none.
    """

    description: str
    run: Callable[..., Recording]
    options: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    only_with: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    data: str = ""


def run_demo(
    name: str,
    *,
    seed: int = 0,
    fresh: bool = False,
    progress: bool = True,
    quick: bool = False,
    data: Path | str | None = None,
    **options: str,
) -> Recording:
    """A recording of a demo's model on sentences or pictures it has not seen in training.

    The trained model is kept in the user's cache, or in the folder that the environment variable
    `ATTNREPORT_CACHE` names, so that the next run only records. Ctrl-C ends training early, and
    goes on with the best model so far.

    Args:
        name: One of `DEMOS`.
        seed: Seed of data and training.
        fresh: Whether to train again although a trained model is kept.
        progress: Whether to show on standard error how training goes.
        quick: Whether little data and few steps will do: it takes at most 20 seconds in all on
            two cores, and the model learns little.
        data: A folder of data to learn from in place of the demo's own; `DEMOS[name].data` says
            in which form.
        options: Options of the demo's own, as `DEMOS[name].options` lists them.

    Raises:
        AttnReportError: The seed is not from 0 to 4294967295.
        UnknownNameError: There is no such demo, it has no such option or choice, or options do
            not go together.
        DataError: The folder holds something else.
        KeyboardInterrupt: Somebody stopped it before there was anything to show.
    """
    if name not in DEMOS:
        raise UnknownNameError(f"There is no demo {name!r}. Choose one of {', '.join(DEMOS)}.")
    _require_options(name, options)
    _require_fitting(name, options)
    if not 0 <= seed <= _LARGEST_SEED:
        raise AttnReportError(f"The seed is {seed}. Give a whole number from 0 to {_LARGEST_SEED}.")
    own: dict[str, Any] = dict(options)
    if data is not None:
        if not DEMOS[name].data:
            raise UnknownNameError(f"The demo {name} takes no data of your own. Leave them out.")
        own["data"] = Path(data)
    return DEMOS[name].run(seed=seed, fresh=fresh, progress=progress, quick=quick, **own)


def quick_notes(*, quick: bool) -> tuple[str, ...]:
    """What a report says about a model that was trained quickly."""
    return ("Trained with few data and steps, for a quick look: it has learned little.",) * quick


def _require_options(name: str, options: Mapping[str, str]) -> None:
    known = DEMOS[name].options
    for option, choice in options.items():
        if option not in known:
            has = f"Its options are {', '.join(known)}." if known else "It has none of its own."
            raise UnknownNameError(f"The demo {name} has no option {option!r}. {has}")
        if choice not in known[option]:
            raise UnknownNameError(
                f"The demo {name} has no {option} {choice!r}. Choose one of "
                f"{', '.join(known[option])}."
            )


def _require_fitting(name: str, options: Mapping[str, str]) -> None:
    demo = DEMOS[name]
    for option, (other, needed) in demo.only_with.items():
        chosen = options.get(other, demo.options[other][0])
        if option in options and chosen != needed:
            raise UnknownNameError(
                f"In the demo {name}, the {option} can be chosen only with the {other} "
                f"{needed!r}; the {other} {chosen!r} has its own. Leave out the {option}, or "
                f"choose the {other} {needed!r}."
            )


def _translation(**options: Any) -> Recording:
    # Listing the demos must not cost the import of JAX.
    from attnreport.tasks.translation.recording import record_translation

    return record_translation(**options)


def _images(**options: Any) -> Recording:
    from attnreport.tasks.images.recording import record_images

    return record_images(**options)


def _keywords(**options: Any) -> Recording:
    from attnreport.tasks.keywords.recording import record_keywords

    return record_keywords(**options)


DEMOS: dict[str, Demo] = {
    "translation": Demo(
        "A translator from English to German, trained in a minute or two: see which English word "
        "each German word comes from.",
        _translation,
        {
            "model": ("gru", "transformer"),
            "attention": ("additive", "dot", "general", "concat", "local-m", "local-p"),
        },
        only_with={"attention": ("model", "gru")},
        data="one sentence pair a line in text files: English, a tab, German",
    ),
    "images": Demo(
        "Networks that read a scanned digit among clutter, trained in a minute or two: see whether "
        "they look at the digit.",
        _images,
        {
            "model": ("cnn", "vit"),
            "attention": ("non-local", "none", "se", "eca", "cbam"),
        },
        only_with={"attention": ("model", "cnn")},
        data="the unpacked folder cifar-10-batches-py of the Python version of CIFAR-10",
    ),
    "keywords": Demo(
        "A classifier of paragraphs of Python's own help, trained in about a minute: see which "
        "words tell the topic.",
        _keywords,
        {"attention": ("additive", "self-attentive")},
        data="a subfolder of text files for each label, as in 20 Newsgroups; or folders train and "
        "test of these, as in the Large Movie Review Dataset",
    ),
}

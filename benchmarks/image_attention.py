"""Trains the networks that read digits among clutter, and measures which of them look at them."""

import argparse
from collections.abc import Iterator, Sequence

from printing import print_heading, print_table, spread

from attnreport.models import IMAGE_ATTENTIONS
from attnreport.tasks.images.data import CanvasSizes
from attnreport.tasks.images.looking import HEADS, ROLLOUT
from attnreport.tasks.images.plan import usual_plan
from attnreport.tasks.images.task import Findings, image_recipe
from attnreport.tasks.trained import trained_model

VIT = "vit"
HEADER = [
    "network",
    "attention",
    "digits right",
    "attention in the box",
    "… before training",
    "activations in the box, before the attention",
    "… after it",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each network")
    seeds = range(parser.parse_args().seeds)
    # All networks of a seed before the next, so that a run that is stopped has some of each.
    runs = [(seed, name) for seed in seeds for name in (*IMAGE_ATTENTIONS, VIT)]
    found: dict[str, list[Findings]] = {}
    for seed, name in runs:
        found.setdefault(name, []).append(measured(name, seed))
    print_heading("Attention of networks over images")
    sizes = CanvasSizes()
    print(
        f"{len(seeds)} trainings of each, with seeds of their own for the parameters and for the "
        f"canvases to learn from: mean ± standard deviation. All learn from {sizes.train:,} new "
        f"canvases in each epoch and are measured on the same {sizes.test:,}, of scans that took "
        "no part in training. Baselines below are of these canvases, and have no spread.\n"
    )
    rows = [row for name, each in found.items() for row in rows_of(name, each)]
    some = found["none"][0].shares
    for name, share in (("brightness", "ink"), ("looking everywhere alike", "area")):
        number = getattr(some, share)
        rows.append([f"{name} (baseline)", "–", "–", f"{number:.3f}", "–", "–", "–"])
    print_table(HEADER, rows)


def measured(name: str, seed: int) -> Findings:
    """What was found about a network, from the cache if it was trained before."""
    plan = usual_plan("vit", "none", seed) if name == VIT else usual_plan("cnn", name, seed)
    return Findings.of(trained_model(image_recipe(plan)).facts)


def rows_of(name: str, found: Sequence[Findings]) -> Iterator[list[str]]:
    """A row for each attention over places, and one for a network without any."""
    right = spread(each.accuracy for each in found)
    shares = [each.shares for each in found]
    network = "Vision Transformer" if name == VIT else "CNN"
    if name == VIT:
        for key, called in ((ROLLOUT, "rollout"), (HEADS, "a head at random")):
            yield [network, called, right, *looked(shares, key), "–", "–"]
        return
    # There is no attention after the first stage.
    for number in (1, 2):
        layer = f"layer {number}"
        places = looked(shares, layer) if layer in shares[0].attention else ["–", "–"]
        sides = [spread(getattr(each, side)[number] for each in shares) for side in SIDES]
        called = "none (baseline)" if name == "none" else name
        yield [network, f"{called}, {layer}", right, *places, *sides]


SIDES = ("before", "after")


def looked(shares: Sequence, key: str) -> list[str]:
    """Share of attention in the box, after and before training."""
    return [
        spread(each.attention[key] for each in shares),
        spread(each.untrained[key] for each in shares),
    ]


if __name__ == "__main__":
    main()

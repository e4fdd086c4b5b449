import pytest

from attnreport.models import TransformerSizes
from attnreport.tasks.images.data import CanvasSizes
from attnreport.tasks.images.plan import ConvolutionalSizes, ImagePlan, PatchSizes
from attnreport.tasks.training import Schedule

LAYERS = TransformerSizes(features=8, heads=2, layers=2, feed_forward=8)
PATCHES = PatchSizes(LAYERS, patch=8, stem=(4, 4, 4))


def tiny_plan(kind: str) -> ImagePlan:
    """A training of a second or two, which learns next to nothing."""
    sizes = PATCHES if kind == "vit" else ConvolutionalSizes(kind, features=4, stages=2)
    schedule = Schedule(epochs=2, rounds=1, learning_rate=5e-3)
    return ImagePlan(CanvasSizes(train=64, validation=20, test=80, epochs=2), schedule, sizes, 32)


@pytest.fixture(scope="session", name="tiny_plan")
def tiny_plan_fixture():
    return tiny_plan

"""Where pictures for training, validation and test come from."""

import dataclasses
import functools
import hashlib
from pathlib import Path

from attnreport.tasks.images.canvases import make_canvases
from attnreport.tasks.images.cifar import Cifar10, load_cifar10
from attnreport.tasks.images.digits import DIGITS, Scans, divided, scanned_digits
from attnreport.tasks.images.pictures import Pictures


@dataclasses.dataclass(frozen=True)
class CanvasSizes:
    """How many canvases to make.

    Attributes:
        train: New canvases to learn from in each epoch, in the first with any share of the clutter.
        validation: Canvases that decide which state of the network is kept.
        test: Canvases that measure the network that was kept.
        epochs: Epochs after which all canvases have all of the clutter; the least share that they
            have rises to it evenly.
    """

    train: int = 10_000
    validation: int = 1_000
    test: int = 2_000
    epochs: int = 7

    def data(self, seed: int) -> "CanvasData":
        """The canvases; the seed decides on those to learn from, and the others stay the same."""
        return CanvasData(self, seed)


@dataclasses.dataclass(frozen=True)
class CifarFolder:
    """A folder with the Python version of CIFAR-10.

    Attributes:
        folder: Its path.
        digest: Of the content of its files, because it is the pictures that decide on a network.
        train: How many pictures to learn from at most; the last ones are for validation.
        test: How many pictures to test with at most.
    """

    folder: str
    digest: str
    train: int = 45_000
    test: int = 10_000

    @classmethod
    def of(cls, folder: Path) -> "CifarFolder":
        """The folder as it is now."""
        digest = hashlib.sha256()
        for path in sorted(folder.glob("*batch*")):
            digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return cls(str(folder.absolute()), digest.hexdigest()[:16])

    def data(self, seed: int) -> "CifarData":
        """Its pictures, whatever the seed."""
        return CifarData(self)


class CanvasData:
    """Digits among clutter. Training, validation and test are of different scans."""

    labels = DIGITS
    channels = 1

    def __init__(self, sizes: CanvasSizes, seed: int) -> None:
        self._sizes, self._seed = sizes, seed
        self._last: tuple[int, Pictures] | None = None

    @functools.cached_property
    def _scans(self) -> tuple[Scans, Scans, Scans]:
        return divided(scanned_digits())

    def training(self, epoch: int) -> Pictures:
        """New canvases for each epoch."""
        if self._last is None or self._last[0] != epoch:
            least = min(1.0, epoch / self._sizes.epochs)
            canvases = make_canvases(
                self._scans[0], self._sizes.train, [0, self._seed, epoch], least_clutter=least
            )
            self._last = epoch, canvases
        return self._last[1]

    @functools.cached_property
    def validation(self) -> Pictures:
        """What decides which state of the network is kept."""
        return make_canvases(self._scans[1], self._sizes.validation, [1])

    @functools.cached_property
    def test(self) -> Pictures:
        """What the network that was kept is measured with."""
        return make_canvases(self._scans[2], self._sizes.test, [2])


class CifarData:
    """Pictures of CIFAR-10, in which nobody has marked where what they show is."""

    channels = 3

    def __init__(self, plan: CifarFolder) -> None:
        self._plan = plan

    @functools.cached_property
    def _all(self) -> Cifar10:
        return load_cifar10(self._plan.folder)

    @functools.cached_property
    def _learned(self) -> int:
        """How many pictures to learn from: a tenth at least is for validation."""
        return min(self._plan.train, len(self._all.training.classes) * 9 // 10)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._all.names

    def training(self, epoch: int) -> Pictures:
        """The same pictures in each epoch."""
        return self._all.training.some(slice(self._learned))

    @property
    def validation(self) -> Pictures:
        """What decides which state of the network is kept."""
        held = max(1, self._learned // 9)
        return self._all.training.some(slice(self._learned, self._learned + held))

    @property
    def test(self) -> Pictures:
        """What the network that was kept is measured with."""
        return self._all.test.some(slice(self._plan.test))


PictureData = CanvasData | CifarData

"""MaskTune :cite:`taghanaki2022masktune`: the base model is trained for one more epoch on images whose most attended
pixels are black, so that it looks elsewhere too (aliasgharkhani/Masktune at 9a0e241).

There, the heat map of an image's centre is stretched over the whole image, so that the pixels which turn black are not
those that were attended; here they are. The optimiser begins anew, since a base model comes without its optimiser's
moments; there, it goes on with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.methods.cam import packed, training_heat_maps, unpacked
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.stages.erm import cross_entropy_loss
from dbb.training import Examples, Tensors
from dbb.transforms import centre

PAPER = {
    "waterbirds": TrainingSettings(1, 128, 1e-4, 1e-4, "sgd", "constant", "crop"),
    "celeba": TrainingSettings(1, 512, 1e-4, 1e-4, "sgd", "constant", "crop"),
}
"""Benchmark -> the settings of the official scripts, which train the base model at the same rate; nothing official
exists for MetaShift.
"""

END_OF_SCHEDULE = 0.1
"""Share of the rate to go on with where the base model's own came down to 0."""


def settings(benchmark: Benchmark) -> TrainingSettings:
    """Return the published settings, or an epoch as the benchmark's own, at the rate that its last one had."""
    own = benchmark.erm
    rate = own.learning_rate * (1.0 if own.schedule == "constant" else END_OF_SCHEDULE)
    return PAPER.get(benchmark.name, replace(own, epochs=1, learning_rate=rate, schedule="constant"))


def kept(heat: Float[Tensor, "B S S"]) -> Bool[Tensor, "B S S"]:
    """Return which pixels stay: those whose heat is not above mean + 2 std of the positive heat of their image, the
    deviation that of a whole population. Where no heat is positive all stay.
    """
    positive = heat > 0
    n = positive.sum((1, 2), keepdim=True).clamp(min=1)
    mean = (heat * positive).sum((1, 2), keepdim=True) / n
    variance = ((heat - mean).square() * positive).sum((1, 2), keepdim=True) / n
    return ~(positive & (heat > mean + 2 * variance.sqrt()))


def blackened(pixels: UInt8[Tensor, "B 3 R R"], kept: Bool[Tensor, "B S S"]) -> UInt8[Tensor, "B 3 R R"]:
    """Return images, 0..255, with 0 where the mask of their centre says so; their margin stays."""
    black = pixels.clone()
    centre(black, kept.shape[-1]).mul_(kept[:, None])  # a view
    return black


@dataclass(frozen=True)
class Blackened:
    """The training images with their attended pixels black: a `dbb.data.images.PixelSource`.

    Attributes:
        masks: of all images, from `dbb.methods.cam.packed`.
    """

    examples: Examples
    masks: UInt8[Tensor, "N S K"]

    def read(self, indices: Sequence[int] | np.ndarray, size: int) -> Tensor:
        """See `PixelSource.read`; ``size`` is that of the examples."""
        positions = np.asarray(indices)
        return blackened(self.examples.pixels(positions), unpacked(self.masks[torch.from_numpy(positions)]))


def training_masks(given: Given) -> UInt8[Tensor, "N S K"]:
    """Return which pixels of the training images stay (`kept`), packed."""

    def make() -> Tensors:
        return {"kept": torch.cat([packed(kept(heat)) for _, _, heat in training_heat_maps(given, given.base())])}

    return given.shared.get("masktune-masks", make)["kept"]


def train(given: Given, settings: TrainingSettings) -> Trained:
    """Train the base model for one epoch on the masked images. There is nothing to select: the official code tests what
    comes of it.

    Raises:
        InputError: for another number of epochs.
    """
    if settings.epochs != 1:
        raise InputError(f"epochs = {settings.epochs}: MaskTune goes through the masked images once: give 1")
    labels = given.labels
    source = Blackened(given.examples, training_masks(given))
    masked = ImageSet(source, labels, np.zeros_like(labels), 1, np.arange(len(labels)))
    return given.fit(given.base(), cross_entropy_loss, settings, examples=given.examples_of(masked))


METHOD = Method(
    name="masktune",
    title="MaskTune",
    cites="taghanaki2022masktune",
    changes="data",
    uses=Uses.NOTHING,
    settings=settings,
    grid={"learning_rate": Times((0.3, 1.0, 3.0, 10.0))},
    train=train,
)

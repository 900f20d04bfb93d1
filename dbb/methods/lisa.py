"""LISA :cite:`yao2022lisa`: images are mixed in pairs of one class and different attributes, or of one attribute and
different classes (huaxiuyao/LISA at c857a6b, subpopulation_shifts).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn.functional import cross_entropy, one_hot

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.training import Batch, Sampler

Pairs = Sequence[tuple[int, int]]

ALPHAS = {"mixup": 2.0, "cutmix": 0.2}
"""Way of mixing two images -> alpha of Beta(alpha, alpha), from which lambda is drawn: the official code's, where
cutmix does not look at the --mix_alpha that the README gives.
"""


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """LISA's settings; batches of ``batch_size`` before mixing, as many images of each group that is there.

    Attributes:
        mixing: one of `ALPHAS`.
        same_label: p_sel, the chance that a batch is mixed within the labels and not within the attributes.
        short: an epoch goes through the smallest group once, as officially, where with few images it is a batch or two;
            False: it has as many batches as plain training has.

    Raises:
        InputError: for an unknown way of mixing, and a chance that is none.
    """

    mixing: str = "mixup"
    same_label: float = 0.5
    short: bool = False

    def __post_init__(self) -> None:
        if self.mixing not in ALPHAS:
            raise InputError(f"unknown mixing {self.mixing!r}: choose one of {', '.join(ALPHAS)}")
        if not 0 <= self.same_label <= 1:
            raise InputError(f"same_label = {self.same_label}: give a chance from 0 to 1")


PAPER = {
    "waterbirds": Settings(300, 64, 1e-3, 1e-4, "sgd", "constant", "none", short=True),
    "celeba": Settings(50, 64, 1e-4, 1e-4, "sgd", "constant", "none", mixing="cutmix", short=True),
    "metashift": Settings(300, 32, 1e-3, 1e-4, "sgd", "constant", "none", mixing="cutmix", short=True),
}
"""Benchmark -> the settings of the official README, whose batch is 16 of each of four groups, or of two classes.
MetaShift's are those of LISA's own draw from it, whose third version has the same animals and places.
"""


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the benchmark's own training with mixup."""
    return PAPER.get(benchmark.name, Settings(**vars(benchmark.erm)))


def pairs(groups: Sequence[int], n_attributes: int, same: Literal["label", "attribute"]) -> Pairs:
    """Return all pairs of ``groups`` (g = A * y + a, each once) with the same label, or the same attribute. A group
    that has no partner is paired with itself.
    """
    of = {g: g // n_attributes if same == "label" else g % n_attributes for g in groups}
    found = [(g, h) for g, h in combinations(groups, 2) if of[g] == of[h]]
    paired = {g for pair in found for g in pair}
    return found + [(g, g) for g in groups if g not in paired]


def strata_and_pairs(
    labels: Int[np.ndarray, " N"], groups: Int[np.ndarray, " N"], n_attributes: int
) -> tuple[Int[np.ndarray, " N"], Pairs, Pairs]:
    """Return what each batch has as many images of, and the pairs of these that have one label and one attribute.

    They are the groups; or the classes, each paired with itself, where no two groups share an attribute (MetaShift):
    then all mixing is within the label, whatever the attributes, as with --group_by_label in the official code.
    """
    present = np.unique(groups).tolist()
    within_attribute = pairs(present, n_attributes, "attribute")
    if all(g == h for g, h in within_attribute):
        themselves = [(label, label) for label in np.unique(labels).tolist()]
        return labels, themselves, themselves
    return groups, pairs(present, n_attributes, "label"), within_attribute


def stratified_batches(strata: Int[np.ndarray, " N"], per_stratum: int, n_batches: int) -> Sampler:
    """Return the sampler of ``n_batches`` an epoch, each of ``per_stratum`` images of every stratum that is there. A
    stratum is gone through in random order, and in another one when its images are used up. (The official loaders end
    with a smaller batch, to which the partner's is cut; here all batches are full.)
    """
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    needed = n_batches * per_stratum

    def batches(generator: torch.Generator) -> list[np.ndarray]:
        columns = []
        for own in members:
            rounds = [torch.randperm(len(own), generator=generator) for _ in range(math.ceil(needed / len(own)))]
            columns.append(own[torch.cat(rounds)[:needed].numpy()].reshape(n_batches, per_stratum))
        return list(np.concatenate(columns, axis=1))

    return batches


def mixup(
    x: Float[Tensor, "B 3 H W"],
    other_x: Float[Tensor, "B 3 H W"],
    y: Float[Tensor, "B C"],
    other_y: Float[Tensor, "B C"],
    shares: Float[Tensor, " B"],
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B C"]]:
    """Return lambda x + (1 - lambda) x' of each pair's images and soft labels; its lambda is in ``shares``."""
    by_x, by_y = shares[:, None, None, None], shares[:, None]
    return by_x * x + (1 - by_x) * other_x, by_y * y + (1 - by_y) * other_y


def cut_box(size: tuple[int, int], share: float, centre: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right), px, of a box around ``centre`` that has sqrt(1 - lambda) of the picture's
    height and width, rounded down to even numbers, and is cut off at its edges.

    Args:
        size, centre: px, the height or row first.
        share: lambda.
    """
    (top, bottom), (left, right) = (
        (max(0, middle - half), min(length, middle + half))
        for middle, length in zip(centre, size, strict=True)
        for half in [int(length * math.sqrt(1 - share)) // 2]
    )
    return top, bottom, left, right


def cutmix(
    x: Float[Tensor, "B 3 H W"],
    other_x: Float[Tensor, "B 3 H W"],
    y: Float[Tensor, "B C"],
    other_y: Float[Tensor, "B C"],
    box: tuple[int, int, int, int],
) -> tuple[Float[Tensor, "2*B 3 H W"], Float[Tensor, "2*B C"]]:
    """Return both images of each pair with the other's ``box`` in them, all of ``x`` first, and their soft labels:
    lambda is the share of the pixels that an image keeps.
    """
    top, bottom, left, right = box
    inside = torch.zeros(x.shape[2:], dtype=torch.bool, device=x.device)
    inside[top:bottom, left:right] = True
    kept = 1 - (bottom - top) * (right - left) / inside.numel()
    images = torch.cat([torch.where(inside, other_x, x), torch.where(inside, x, other_x)])
    return images, kept * torch.cat([y, other_y]) + (1 - kept) * torch.cat([other_y, y])


@dataclass(frozen=True)
class MixedLoss:
    """Cross-entropy with the soft labels of mixed images. Drawn from torch's global generator: for each batch whether
    it is mixed within labels or attributes, and for each pair of strata its lambdas.

    Attributes:
        strata: of all training images, int64 (N,), on the model's device.
        n_classes: C.
        within_label, within_attribute: pairs of strata; the images of one that is paired with itself are halved.
    """

    strata: Tensor
    n_classes: int
    within_label: Pairs
    within_attribute: Pairs
    settings: Settings

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the mean over the mixed images of -sum_c y_c log p_c, a scalar."""
        images, targets = self.mixed(batch)
        return cross_entropy(model(images), targets)

    def mixed(self, batch: Batch) -> tuple[Float[Tensor, "M 3 S S"], Float[Tensor, "M C"]]:
        """Return the mixed images of a batch and their soft labels."""
        strata, x = self.strata[batch.indices], batch.images
        y = one_hot(batch.labels, self.n_classes).to(x.dtype)
        parts = []
        for first, second in self.within_label if torch.rand(()) < self.settings.same_label else self.within_attribute:
            here, there = (torch.nonzero(strata == stratum)[:, 0] for stratum in (first, second))
            if first == second:
                here, there = here[: len(here) // 2], here[len(here) // 2 :]
            n = min(len(here), len(there))
            one, other = here[:n], there[:n]
            parts.append(self._mix(x[one], x[other], y[one], y[other]))
        images, targets = zip(*parts, strict=True)
        return torch.cat(images), torch.cat(targets)

    def _mix(self, x: Tensor, other_x: Tensor, y: Tensor, other_y: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.tensor(ALPHAS[self.settings.mixing], dtype=torch.float64)
        shares = Beta(alpha, alpha)
        if self.settings.mixing == "mixup":
            return mixup(x, other_x, y, other_y, shares.sample((len(x),)).to(x))
        size = (x.shape[2], x.shape[3])
        centre = (int(torch.randint(size[0], ())), int(torch.randint(size[1], ())))
        return cutmix(x, other_x, y, other_y, cut_box(size, shares.sample().item(), centre))


def train(given: Given, settings: Settings) -> Trained:
    """Train a new classifier on mixed images."""
    strata, within_label, within_attribute = strata_and_pairs(given.labels, given.groups, given.n_attributes)
    sizes = np.unique(strata, return_counts=True)[1]
    per_stratum = max(2, settings.batch_size // len(sizes))
    images, at_once = (sizes.min(), per_stratum) if settings.short else (len(strata), settings.batch_size)
    sampler = stratified_batches(strata, per_stratum, math.ceil(images / at_once))
    where = torch.from_numpy(strata).to(given.device)
    loss = MixedLoss(where, given.n_classes, within_label, within_attribute, settings)
    return given.fit(given.fresh(), loss, settings, sampler)


METHOD = Method(
    name="lisa",
    title="LISA",
    cites="yao2022lisa",
    changes="data",
    uses=Uses.TRAINING | Uses.SELECTION,
    settings=settings,
    grid={"mixing": ("mixup", "cutmix"), "learning_rate": Times((1.0, 0.3))},
    train=train,
)

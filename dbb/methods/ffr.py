"""FFR, From Fake to Real :cite:`qraitem2024ffr`: first trained on painted pictures alone, equally many of each class
with each attribute, then on the training images (mqraitem/From-Fake-to-Real at cd4d153).

The official code throws away painted pictures that have hardly any colour; here all are kept. Its batch normalisation
may stay frozen in the second training; here it never does, as by its default.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int, Int64

from dbb.benchmarks.entry import Benchmark, TrainingSettings, Words
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.methods.painting import paint
from dbb.methods.sampling import balancing_weights, weighted_batches
from dbb.seeds import stage_generator
from dbb.stages.erm import cross_entropy_loss


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """FFR's settings, those of `TrainingSettings` for the second training.

    Attributes:
        first_epochs, first_learning_rate: of the first training, which is otherwise as the second.
        most_pictures: painted pictures of each group, at most; None: as many as `per_group` says.
        resampled: whether every group comes equally often in the second training; else each image does.

    Raises:
        InputError: for a number that is not positive.
    """

    first_epochs: int
    first_learning_rate: float
    most_pictures: int | None = None
    resampled: bool = True

    def __post_init__(self) -> None:
        for name in ("first_epochs", "first_learning_rate", "most_pictures"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise InputError(f"{name} = {getattr(self, name)}: give more than 0")


PUBLISHED = Settings(
    epochs=50,
    batch_size=128,
    learning_rate=1e-3,
    weight_decay=1e-5,
    optimiser="adam",
    schedule="constant",
    augmentation="none",
    first_epochs=50,
    first_learning_rate=1e-4,
)
PAPER = dict.fromkeys(("waterbirds", "celeba", "metashift"), PUBLISHED)
"""Benchmark -> what the official code takes for all data of its own; nothing official exists for these three."""

DRAWN_PICTURES = 100


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the benchmark's own training twice, with few pictures."""
    own = benchmark.erm
    return PAPER.get(
        benchmark.name,
        Settings(
            **vars(own), first_epochs=own.epochs, first_learning_rate=own.learning_rate, most_pictures=DRAWN_PICTURES
        ),
    )


def painted_groups(groups: Int[np.ndarray, " N"], n_classes: int, n_attributes: int) -> Int64[np.ndarray, " P"]:
    """Return the groups g = A * y + a to paint, ascending: every class with every attribute of the training images. An
    attribute that none of them has, as the places of MetaShift's test, is no bias to be balanced.
    """
    attributes = np.unique(groups % n_attributes)
    return (n_attributes * np.arange(n_classes)[:, None] + attributes).ravel()


def per_group(counts: Int[np.ndarray, " P"]) -> int:
    """Return the pictures to paint of each of P groups: sum_g (max n - n_g) // P, n_g its training images."""
    return int((counts.max() - counts).sum()) // len(counts)


def drawn_prompts(words: Words, label: int, attribute: int, n: int, generator: torch.Generator) -> list[str]:
    """Return ``n`` prompts for a class with an attribute, drawn from all that the words allow."""
    prompts = words.prompts(label, attribute)
    return [prompts[number] for number in torch.randint(len(prompts), (n,), generator=generator).tolist()]


def painted_set(given: Given, most: int | None) -> ImageSet:
    """Return the painted pictures, equally many of each group, one at least; at most ``most``."""
    n_attributes = given.n_attributes
    groups = painted_groups(given.groups, given.n_classes, n_attributes)
    counts = np.bincount(given.groups, minlength=given.n_groups)[groups]
    n = max(1, per_group(counts) if most is None else min(most, per_group(counts)))
    generator, words = stage_generator("prompts of ffr", given.seed), given.benchmark.vocabulary
    prompts = [p for g in groups for p in drawn_prompts(words, *divmod(int(g), n_attributes), n, generator)]
    pictures = paint(given, prompts, "ffr").permute(0, 2, 3, 1).numpy()
    labels, attributes = np.divmod(np.repeat(groups, n), n_attributes)
    return ImageSet(ArrayPixels(pictures), labels, attributes, n_attributes, np.arange(len(labels)))


def train(given: Given, settings: Settings) -> Trained:
    """Train a new classifier on painted pictures, and what each rule selected of it further on the training images."""
    painted = painted_set(given, settings.most_pictures)
    early = replace(settings, epochs=settings.first_epochs, learning_rate=settings.first_learning_rate)
    first = given.fit(given.fresh(), cross_entropy_loss, early, name="first", examples=given.examples_of(painted))
    weights = balancing_weights(given.groups)
    sampler = weighted_batches(weights, settings.batch_size) if settings.resampled else None
    second: dict[int, Trained] = {}
    for rule, step in first.steps.items():
        if step not in second:
            model = given.fresh()
            model.load_state_dict(first.weights[rule])
            second[step] = given.fit(model, cross_entropy_loss, settings, sampler, f"second from epoch {step}")
    chosen = {rule: second[step] for rule, step in first.steps.items()}
    return Trained(
        {rule: done.weights[rule] for rule, done in chosen.items()},
        {rule: done.steps[rule] for rule, done in chosen.items()},
        {
            "painted": len(painted),
            "first_steps": dict(first.steps),
            "first_losses": first.measured["losses"],
            "losses": {rule: done.measured["losses"] for rule, done in chosen.items()},
        },
    )


METHOD = Method(
    name="ffr",
    title="FFR",
    cites="qraitem2024ffr",
    changes="data",
    uses=Uses.TRAINING | Uses.SELECTION,
    settings=settings,
    grid={"resampled": (True, False), "learning_rate": Times((1.0, 0.1))},
    train=train,
    paints=True,
)

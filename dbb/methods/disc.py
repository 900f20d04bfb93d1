"""DISC, Discover and Cure :cite:`wu2023disc`: images are mixed with painted pictures of those concepts on which a class
leans in some environments more than in others (Wuyxin/DISC at d9865a8).

Unlike in the official code,

- every class has the whole bank of concepts, not those alone that turn the base model's decisions (by conceptual
  counterfactuals): two classes, whose tendencies mirror one another, then draw concepts alike;
- clusters lie in the plane of the first two principal components, not of UMAP, which would bring a compiler along;
- concept pictures are whole, not cropped at random once, and their prompts never in the plural;
- no group of the training split is used. The script for Waterbirds draws batches in which the true groups come equally
  often, against the paper's words and table.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.methods.concepts import (
    clusters,
    concept_probabilities,
    concept_vectors,
    environments,
    head_gradient,
    mixed,
    tendencies,
)
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.methods.painting import paint
from dbb.models.classifier import Classifier
from dbb.seeds import stage_generator
from dbb.training import Batch
from dbb.transforms import evaluation_input, training_input

MOST_STEPS = 10
"""The step by which an environment pulls at the head is the learning rate times its batches, or this if they are more.
"""

EPOCHS_OF_ENVIRONMENTS = 2
"""For so long the environments stay as they are."""

MIX = 2.0
"""Both parameters of the Beta distribution of an image's share in a mixture."""

PICTURES_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """DISC's settings.

    Attributes:
        clusters: of each class, and so the number of environments.
        pictures: of each concept.

    Raises:
        InputError: for fewer than two of either.
    """

    clusters: int = 2
    pictures: int = 16

    def __post_init__(self) -> None:
        for name in ("clusters", "pictures"):
            if getattr(self, name) < 2:
                raise InputError(f"{name} = {getattr(self, name)}: give 2 or more")


def _published(epochs: int, batch_size: int, learning_rate: float, clusters: int) -> Settings:
    return Settings(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=1e-4,
        optimiser="sgd",
        schedule="constant",
        augmentation="crop",
        clusters=clusters,
        pictures=200,
    )


PAPER = {"waterbirds": _published(10, 32, 1e-4, 3), "metashift": _published(100, 16, 5e-4, 2)}
"""Benchmark -> the settings of the official scripts; nothing official exists for CelebA."""


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the benchmark's own training with few pictures of each concept."""
    return PAPER.get(benchmark.name, Settings(**vars(benchmark.erm)))


class DiscoverAndCure(nn.Module):
    """Cross-entropy, plus for each class that of the other classes' images, each mixed with a picture of a concept of
    that class, under the image's own label.

    With the first batch of every epoch the concepts' chances are measured anew. From there on batch normalisation is in
    evaluation mode, as in the official code.

    Args:
        concepts: pictures of K concepts, uint8 (K, n, 3, R, R).
    """

    permutations: Tensor
    probabilities: Tensor
    epoch: Tensor

    def __init__(self, given: Given, settings: Settings, concepts: Tensor) -> None:
        super().__init__()
        seed = stage_generator("clusters of disc", given.seed).initial_seed() % 2**32
        correct = given.logits.argmax(1).numpy() == given.labels
        self._clusters = clusters(given.features.numpy(), correct, given.labels, settings.clusters, seed)
        self._given, self._settings, self._concepts = given, settings, concepts
        self.register_buffer("permutations", torch.zeros(given.n_classes, settings.clusters, dtype=torch.int64))
        self.register_buffer("probabilities", torch.full((given.n_classes, len(concepts)), 1 / len(concepts)))
        self.register_buffer("epoch", torch.tensor(0))

    def forward(self, model: Classifier, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if model.training:  # `fit` sets it at the start of an epoch
            model.eval()
            self._discover(model)
        parts = [(batch.images, batch.labels), *self._mixtures(batch)]
        images = torch.cat([images for images, _ in parts]).contiguous(memory_format=torch.channels_last)
        # one pass for all parts: in evaluation mode none depends on the others
        logits = model(images).split([len(labels) for _, labels in parts])
        return torch.stack([cross_entropy(own, labels) for own, (_, labels) in zip(logits, parts, strict=True)]).sum()

    @torch.no_grad()
    def _discover(self, model: Classifier) -> None:
        parts = self._concepts.flatten(0, 1).split(PICTURES_AT_ONCE)
        features = torch.cat([model.features(self._pictures(part)) for part in parts])
        vectors = concept_vectors(features.float().cpu().unflatten(0, self._concepts.shape[:2])).to(features)
        n_classes, n = self.permutations.shape
        if self.epoch % EPOCHS_OF_ENVIRONMENTS == 0:
            self.permutations = torch.stack([torch.randperm(n) for _ in range(n_classes)])
        self.epoch += 1
        labels, size, found = self._given.labels, self._settings.batch_size, []
        for members in environments(self._clusters, labels, self.permutations.numpy()):
            if len(members):
                chosen = members[torch.randperm(len(members))[:size].numpy()]
                gradients = head_gradient(
                    model.features(self._images(chosen)),
                    torch.from_numpy(labels[chosen]).to(features.device),
                    model.head.weight,
                    model.head.bias,
                )
                steps = min(MOST_STEPS, -(-len(members) // size))
                found.append(tendencies(vectors, *gradients, steps * self._settings.learning_rate))
        self.probabilities = concept_probabilities(torch.stack(found)).cpu()

    def _pictures(self, pictures: UInt8[Tensor, "B 3 R R"]) -> Tensor:
        return evaluation_input(pictures.to(self._given.device), self._given.benchmark.input_format)

    def _images(self, positions: Int64[np.ndarray, " B"]) -> Tensor:
        pixels, augmentation = self._given.examples.pixels(positions), self._settings.augmentation
        form = self._given.benchmark.input_format
        return training_input(pixels.to(self._given.device), form, augmentation, torch.default_generator)

    def _mixtures(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for label, chances in enumerate(self.probabilities):
            others = batch.labels != label
            n = int(others.sum())
            if n < 2:
                continue
            which = torch.multinomial(chances, n, replacement=True)
            pictures = self._pictures(self._concepts[which, torch.randint(self._concepts.shape[1], (n,))])
            share = torch.distributions.Beta(MIX, MIX).sample((n,)).to(batch.images)
            yield mixed(batch.images[others], pictures, share), batch.labels[others]


def train(given: Given, settings: Settings) -> Trained:
    """Train a new classifier on images and on their mixtures with concepts."""
    bank = given.benchmark.vocabulary.concepts
    prompts = list(dict.fromkeys(prompt for category in bank.values() for prompt in category))
    if len(prompts) < 2:
        raise InputError(f"{given.benchmark.name} names {len(prompts)} concepts: name two or more in `words.concepts`")
    pictures = paint(given, [prompt for prompt in prompts for _ in range(settings.pictures)], "disc")
    loss = DiscoverAndCure(given, settings, pictures.unflatten(0, (len(prompts), settings.pictures)))
    trained = given.fit(given.fresh(), loss, settings)
    told = {"concepts": prompts, "probabilities": loss.probabilities.tolist()}
    return replace(trained, measured={**trained.measured, **told})


METHOD = Method(
    name="disc",
    title="DISC",
    cites="wu2023disc",
    changes="data",
    uses=Uses.SELECTION,
    settings=settings,
    grid={"clusters": (2, 3), "learning_rate": Times((1.0, 0.3))},
    train=train,
    paints=True,
)

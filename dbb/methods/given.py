"""What a method is given of one seed of a benchmark: data, the base model, and of the groups what it declares."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from dbb.benchmarks.entry import Benchmark
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.methods.method import AVERAGE, WORST_GROUP, Rule, Trained, Uses
from dbb.methods.shared import Shared
from dbb.metrics import GroupMetrics, evaluate, group_counts
from dbb.models.classifier import Classifier, load_classifier, predict_features
from dbb.training import Examples, Loss, Sampler, Select, Settings, Tensors, Validation, fit, worst_group_first


def average_first(metrics: GroupMetrics) -> tuple[float]:
    """Return the score by which an epoch is selected where no group of the validation split may be seen."""
    return (metrics.average,)


SCORES: Mapping[Rule, Select] = {WORST_GROUP: worst_group_first, AVERAGE: average_first}
"""Rule -> the score that it selects by; of equal ones the last."""


@dataclass(frozen=True)
class Given:
    """One seed of a benchmark, as a method sees it.

    Attributes:
        uses: what the method declares; asking for more raises `InputError`.
        rules: what epochs are selected by, the method's own first.
        device: where it trains.
        folder, stamp: of the files of a training that goes on where it was stopped; None, "": nothing is kept.
        shared: what all trainings of the seed have in common.
        kept: the generated images that pruning kept, for the method that trains on them.
    """

    benchmark: Benchmark
    seed: int
    train_set: ImageSet
    validation_set: ImageSet
    base_model: Classifier
    uses: Uses
    rules: tuple[Rule, ...]
    device: torch.device
    folder: Path | None = None
    stamp: str = ""
    shared: Shared = field(default_factory=Shared, repr=False)
    kept: ImageSet | None = None

    # -------------------------------------------------------------------------------------------- numbers

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.benchmark.classes)

    @property
    def n_groups(self) -> int:
        """G, of all classes with all attributes, also those that the training split lacks."""
        return len(self.benchmark.group_names)

    @property
    def n_attributes(self) -> int:
        """A: the group of an image is g = A * y + a."""
        return len(self.benchmark.attributes)

    # -------------------------------------------------------------------------------------------- training data

    @cached_property
    def examples(self) -> Examples:
        """The training images, all of part 0."""
        return self.examples_of(self.train_set)

    def examples_of(self, images: ImageSet) -> Examples:
        """Return images to train on in place of the training images, all of part 0."""
        return Examples([images], [np.zeros(len(images))], self.benchmark.read_size)

    @cached_property
    def _train_counts(self) -> Int64[np.ndarray, " G"]:
        return group_counts(self.train_set.groups, self.n_groups)

    @property
    def labels(self) -> Int64[np.ndarray, " N"]:
        """Classes of the training images."""
        return self.train_set.labels

    @property
    def groups(self) -> Int64[np.ndarray, " N"]:
        """Groups g of the training images.

        Raises:
            InputError: for a method that does not declare them, and for a benchmark that knows none.
        """
        self._ask(Uses.TRAINING, "the groups of the training images")
        return self.train_set.groups

    # -------------------------------------------------------------------------------------------- validation data

    @property
    def validation_labels(self) -> Int64[np.ndarray, " V"]:
        """Classes of the validation images, for a method that learns from them.

        Raises:
            InputError: as `groups`.
        """
        self._ask(Uses.VALIDATION, "the validation images to learn from")
        return self.validation_set.labels

    @property
    def validation_groups(self) -> Int64[np.ndarray, " V"]:
        """Groups g of the validation images, for a method that learns from them.

        Raises:
            InputError: as `groups`.
        """
        self._ask(Uses.VALIDATION, "the groups of the validation images")
        return self.validation_set.groups

    @property
    def validation_features(self) -> Float32[Tensor, "V D"]:
        """The base model's features of the validation images, for a method that learns from them.

        Raises:
            InputError: as `groups`.
        """
        self._ask(Uses.VALIDATION, "the validation images to learn from")
        return self._features_of("validation", self.validation_set)

    def _ask(self, what: Uses, words: str) -> None:
        if what not in self.uses:
            raise InputError(f"{words} were asked for by a method that does not declare them: add Uses.{what.name}")
        if not self.benchmark.has_groups:
            raise InputError(f"{self.benchmark.name} knows no groups: choose a method that needs none")

    # -------------------------------------------------------------------------------------------- models

    def base(self) -> Classifier:
        """Return a copy of the base model, the one that plain training came to, on the device."""
        return deepcopy(self.base_model).to(self.device)

    def fresh(self) -> Classifier:
        """Return a classifier with the benchmark's pretrained backbone and a new head, on the device."""
        return load_classifier(self.benchmark.classifier, self.n_classes, self.seed).to(self.device)

    @property
    def features(self) -> Float32[Tensor, "N D"]:
        """The base model's features of the training images, without augmentation, on the CPU."""
        return self._features_of("train", self.train_set)

    @property
    def logits(self) -> Float32[Tensor, "N C"]:
        """The base model's logits of the training images, without augmentation, on the CPU."""
        head = self.base_model.head
        return self.features @ head.weight.detach().cpu().T + head.bias.detach().cpu()

    def _features_of(self, name: str, images: ImageSet) -> Tensor:
        def make() -> Tensors:
            return {"features": predict_features(self.base(), images, self.benchmark.input_format)}

        return self.shared.get(f"{name}-features", make)["features"]

    # -------------------------------------------------------------------------------------------- training

    def fit(
        self,
        model: Classifier,
        loss: Loss,
        settings: Settings,
        sampler: Sampler | None = None,
        name: str = "training",
        measured: Mapping[str, object] | None = None,
        examples: Examples | None = None,
    ) -> Trained:
        """Train ``model`` in place and return what each rule selected.

        Args:
            loss, settings, sampler: as `dbb.training.fit`.
            name: of this training, where a method has several.
            measured: what else to tell.
            examples: to train on; None: the training images.
        """
        done = fit(
            model,
            self.examples if examples is None else examples,
            loss,
            settings,
            self.benchmark.input_format,
            f"{name} of a compared method",
            self.seed,
            Validation(self.validation_set, self._train_counts),
            select=[SCORES[rule] for rule in self.rules],
            sampler=sampler,
            checkpoint=None if self.folder is None else self.folder / f"{name}.safetensors",
            stamp=self.stamp,
        )
        chosen = dict(zip(self.rules, done.selected, strict=True))
        return Trained(
            {rule: weights for rule, (_, weights) in chosen.items()},
            {rule: epoch for rule, (epoch, _) in chosen.items()},
            {"losses": [entry["loss"] for entry in done.history], **(measured or {})},
        )

    def select_head(self, heads: Iterator[tuple[int, Tensor, Tensor]]) -> Trained:
        """Return the base model with the head that each rule selects among ``heads``, of equal ones the last.

        Args:
            heads: (step, weight (C, D), bias (C,)) of one head after another.

        Raises:
            InputError: where there is none.
        """
        features = self._features_of("validation", self.validation_set)
        best: dict[Rule, tuple[tuple[float, ...], int, Tensor, Tensor]] = {}
        for step, weight, bias in heads:
            said = (features @ weight.float().T + bias.float()).argmax(1).numpy()
            metrics = self._validated(said)
            for rule in self.rules:
                score = tuple(np.atleast_1d(SCORES[rule](metrics)).tolist())
                if rule not in best or score >= best[rule][0]:
                    best[rule] = (score, step, weight.detach().clone(), bias.detach().clone())
        if not best:
            raise InputError("no head to select from: give one at least")
        return Trained(
            {rule: self.with_head(weight, bias) for rule, (_, _, weight, bias) in best.items()},
            {rule: step for rule, (_, step, _, _) in best.items()},
        )

    def with_head(self, weight: Tensor, bias: Tensor) -> Tensors:
        """Return the state of the base model with another head, (C, D) and (C,)."""
        state = {name: value.detach().clone() for name, value in self.base_model.state_dict().items()}
        return state | {"head.weight": weight.detach().float().cpu(), "head.bias": bias.detach().float().cpu()}

    def same_for_all(self, weights: Tensors, measured: Mapping[str, object] | None = None) -> Trained:
        """Return one classifier for all rules, of a method that has nothing to select."""
        return Trained(dict.fromkeys(self.rules, weights), measured=measured or {})

    def _validated(self, predictions: np.ndarray) -> GroupMetrics:
        images = self.validation_set
        return evaluate(predictions, images.labels, images.groups, self.n_groups, self._train_counts)

"""What one seed of the study makes on the way to its arms; each product is made once and read back afterwards."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from dbb.benchmarks import Benchmark
from dbb.classifier import Classifier, load_classifier, load_trained, predict_logits, save_classifier
from dbb.data.images import ImageSet
from dbb.erm import TrainOutputs, load_outputs, lowest_loss, save_outputs, train_erm, train_outputs
from dbb.masks import MaskTable, find_masks, load_masks, save_masks
from dbb.metrics import group_counts
from dbb.pruning import class_confidence
from dbb.segmenters import Segmenter, load_segmenter
from dbb.store import read_json, write_json
from dbb.training import measure


class Products:
    """The products of one seed under ``folder``.

    splits: "train", "val" and "test".
    """

    def __init__(self, benchmark: Benchmark, seed: int, folder: Path, splits: Mapping[str, ImageSet]) -> None:
        self.benchmark, self.seed, self.folder = benchmark, seed, folder
        self.train, self.val, self.test = (splits[name] for name in ("train", "val", "test"))
        self.input_format = benchmark.input_format
        self.train_counts = group_counts(self.train.groups, len(benchmark.group_names))

    @cached_property
    def erm_record(self) -> dict:
        """The base model's accuracies, "val" and "test"; trains it where that was not done."""
        path = self.folder / "erm.json"
        if not path.exists():
            bm = self.benchmark
            model = load_classifier(bm.classifier, len(bm.classes), self.seed)
            training = train_erm(model, self.train, self.val, bm.erm, self.input_format, self.seed)
            logits = predict_logits(model, self.train, bm.input_format)
            save_classifier(self._weights, model)
            save_outputs(self.folder / "losses.npz", train_outputs(logits, self.train))
            write_json(path, self.measure(model) | {"seconds": training.seconds})
        return read_json(path)

    def erm(self) -> Classifier:
        """Return the base model, a new copy at each call."""
        assert self.erm_record
        return load_trained(self._weights, self.benchmark.classifier, len(self.benchmark.classes))

    @property
    def _weights(self) -> Path:
        return self.folder / "erm.safetensors"

    def measure(self, model: Classifier) -> dict:
        """Return the accuracies of ``model`` on both splits."""
        return {name: measure(model, images, self.train_counts, self.input_format).as_dict()
                for name, images in (("val", self.val), ("test", self.test))}

    @cached_property
    def outputs(self) -> TrainOutputs:
        """What the base model says of every training image."""
        assert self.erm_record
        return load_outputs(self.folder / "losses.npz")

    @cached_property
    def confidence(self) -> np.ndarray:
        """Psi of eq. 3, float64 (C,)."""
        return class_confidence(self.outputs.probabilities, self.outputs.labels, len(self.benchmark.classes))

    @cached_property
    def masks(self) -> MaskTable:
        """The segmenter's masks of the images of lowest loss, of every class."""
        path = self.folder / "masks.npz"
        if not path.exists():
            bm = self.benchmark
            chosen = [lowest_loss(self.outputs.losses, self.outputs.labels, label, k)
                      for label, k in enumerate(bm.generation.per_class)]
            save_masks(path, find_masks(self.segmenter, self.train, np.concatenate(chosen), bm.class_word, bm.masks,
                                        bm.generation_size, bm.generation.batch_size))
        return load_masks(path)

    @cached_property
    def sources(self) -> ImageSet:
        """The images of lowest loss in which the segmenter found the thing: what every set of pictures begins from."""
        return self.train.subset(self.masks.ids[self.masks.found])

    @cached_property
    def segmenter(self) -> Segmenter:
        """The benchmark's segmenter."""
        return load_segmenter(self.benchmark.segmenter, self.benchmark.masks.threshold)

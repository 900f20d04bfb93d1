"""Telling the truth about a picture, where a benchmark has a judge for it: the miniature's oracle.

The oracle is a classifier trained on balanced scenes that nothing else sees. It is used to read results, never by a
stage of the method.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import ResNetForImageClassification

from dbb.benchmarks import Benchmark
from dbb.mini.scenes import LANDBIRDS, WATERBIRDS
from dbb.models import quiet_loading
from dbb.store import resolve
from dbb.transforms import InputFormat, evaluation_input

NEITHER = -1


@dataclass(frozen=True)
class Verdict:
    """What an oracle sees. classes: int64 (N,), the class y, or -1 for no bird; species: str (N,)."""

    classes: np.ndarray
    species: np.ndarray


class Oracle:
    """The miniature's oracle, loaded from a folder."""

    def __init__(self, folder: str, input_format: InputFormat) -> None:
        with quiet_loading():
            self._model: nn.Module = ResNetForImageClassification.from_pretrained(resolve(folder), dtype=torch.float32)
        self._model.eval()
        self._format = input_format
        self._names = np.array([self._model.config.id2label[i] for i in range(self._model.config.num_labels)])

    @torch.inference_mode()
    def judge(self, images: torch.Tensor, batch_size: int = 256) -> Verdict:
        """Name the bird in each of the images, uint8 (N, 3, S, S)."""
        logits = [self._model(evaluation_input(part, self._format)).logits for part in images.split(batch_size)]
        species = self._names[torch.cat(logits).argmax(1).numpy()]
        classes = np.where(np.isin(species, LANDBIRDS), 0, np.where(np.isin(species, WATERBIRDS), 1, NEITHER))
        return Verdict(classes.astype(np.int64), species)


def load_oracle(benchmark: Benchmark) -> Oracle | None:
    """Return the benchmark's oracle, or None where no truth is known."""
    return None if benchmark.oracle is None else Oracle(benchmark.oracle, benchmark.input_format)

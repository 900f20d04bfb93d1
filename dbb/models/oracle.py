"""Telling the truth about a picture, where a benchmark has a judge for it: the miniature's oracle.

The oracle is a classifier trained on balanced scenes that nothing else sees. It is used to read results, never by a
stage of the method.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor, nn

from dbb.benchmarks.entry import Benchmark
from dbb.input_format import InputFormat
from dbb.models.sources import quiet_loading
from dbb.store import resolve
from dbb.transforms import evaluation_input

NEITHER = -1


@dataclass(frozen=True)
class Verdict:
    """What an oracle sees.

    Attributes:
        classes: the class y, or -1 for none of them.
        species: what the oracle calls it.
    """

    classes: Int64[np.ndarray, " N"]
    species: Shaped[np.ndarray, " N"]


class Oracle:
    """An oracle, loaded from a folder.

    Args:
        labels: for each class, what the oracle calls its members.
    """

    def __init__(self, folder: str, labels: Sequence[Sequence[str]], input_format: InputFormat) -> None:
        from transformers import ResNetForImageClassification

        self._labels = labels
        with quiet_loading():
            self._model: nn.Module = ResNetForImageClassification.from_pretrained(resolve(folder), dtype=torch.float32)
        self._model.eval()
        self._format = input_format
        self._names = np.array([self._model.config.id2label[i] for i in range(self._model.config.num_labels)])

    @torch.inference_mode()
    def judge(self, images: UInt8[Tensor, "N 3 S S"], batch_size: int = 256) -> Verdict:
        """Name what each of the images shows."""
        logits = [self._model(evaluation_input(part, self._format)).logits for part in images.split(batch_size)]
        species = self._names[torch.cat(logits).argmax(1).numpy()]
        classes = np.full(len(species), NEITHER)
        for label, members in enumerate(self._labels):
            classes[np.isin(species, members)] = label
        return Verdict(classes, species)


def load_oracle(benchmark: Benchmark) -> Oracle | None:
    """Return the benchmark's oracle, or None where no truth is known."""
    if benchmark.oracle is None:
        return None
    return Oracle(benchmark.oracle, benchmark.oracle_labels, benchmark.input_format)

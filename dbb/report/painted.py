"""Chapters 13 and 14: what a run painted, with the oracle's verdict and what pruning said."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from dbb.errors import InputError
from dbb.models.oracle import Verdict, load_oracle
from dbb.report.pictures import frame_pictures, image_grid
from dbb.report.style import Figure
from dbb.stages.manifest import MANIFEST, load_generated, read_manifest
from dbb.stages.pruning import KEPT, LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION
from dbb.stages.run import Run

REASONS = {
    LOOKS_LIKE_SOURCE: "pruned: looks like\nthe source class",
    LOW_ATTRIBUTION: "pruned: low\nattribution",
    KEPT: "kept",
}
"""Verdict of pruning -> what stands beside its row of pictures."""


@dataclass(frozen=True)
class Painted:
    """The generated pictures of a run whose stages all stand.

    Attributes:
        rows: of the judged manifest, the generated ones, in its order.
    """

    run: Run
    rows: pd.DataFrame

    @cached_property
    def origins(self) -> np.ndarray:
        """Ids of the originals, int64 (B,)."""
        return self.rows["source_id"].to_numpy(copy=True)

    @cached_property
    def groups(self) -> np.ndarray:
        """Groups of the originals, int64 (B,)."""
        return self.run.split("train").groups[self.origins]

    @cached_property
    def kept(self) -> np.ndarray:
        """Whether pruning kept each, bool (B,)."""
        return self.rows["kept"].fillna(False).to_numpy(bool)

    @cached_property
    def verdict(self) -> Verdict:
        """What the oracle sees in each."""
        return judged(self.run, self.pictures(np.arange(len(self.rows))))

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each shows its target class, bool (B,)."""
        return self.verdict.classes == self.rows["target_class"].to_numpy()

    def pictures(self, numbers: np.ndarray) -> torch.Tensor:
        """Return the generated pictures of some rows, uint8 (n, 3, S, S)."""
        run = self.run
        return load_generated(run.folder("generated"), self.rows.iloc[numbers], run.benchmark.generation_size)

    def originals(self, numbers: np.ndarray) -> torch.Tensor:
        """Return the originals of some rows, uint8 (n, 3, S, S)."""
        return self.run.split("train").pixels(self.origins[numbers], self.run.benchmark.generation_size)


def judged(run: Run, pictures: torch.Tensor) -> Verdict:
    """Return what the oracle of a run's benchmark sees in pictures, uint8 (B, 3, S, S).

    Raises:
        InputError: for a benchmark without an oracle.
    """
    oracle = load_oracle(run.benchmark)
    if oracle is None:
        raise InputError(f"{run.benchmark.name} has no oracle: this chapter is about a drawn benchmark")
    return oracle.judge(pictures)


def read_painted(run: Run) -> Painted:
    """Read what a run painted and pruned.

    Raises:
        InputError: where the stage of pruning was not made.
    """
    manifest = read_manifest(run.folder("pruned") / MANIFEST)
    return Painted(run, manifest[manifest["status"] == "generated"].reset_index(drop=True))


def before_and_after(painted: Painted, parts: Mapping[str, np.ndarray]) -> Figure:
    """Return two rows for each of ``parts``, a label with numbers of rows, that has any: the originals and, framed by
    the oracle's verdict, what became of them.
    """
    rows, labels, frames = [], [], []
    for label, numbers in ((label, numbers) for label, numbers in parts.items() if len(numbers)):
        rows += [list(painted.originals(numbers)), list(painted.pictures(numbers))]
        labels += [label, "→"]
        frames += [[None] * len(numbers), list(painted.right[numbers])]
    return frame_pictures(image_grid(rows, labels, columns=5), frames)


def by_verdict(painted: Painted, shown: int) -> Figure:
    """Return a row for each of `REASONS`: its first ``shown`` pictures, spread over the target classes; under each the
    class that was asked for and what the oracle sees, which also frames it.
    """
    names, targets = painted.run.benchmark.classes, painted.rows["target_class"].to_numpy()
    shares = [len(part) for part in np.array_split(np.arange(shown), len(names))]
    rows = [
        np.concatenate(
            [
                np.flatnonzero((painted.rows["reason"] == reason).to_numpy() & (targets == target))[:count]
                for target, count in enumerate(shares)
            ]
        )
        for reason in REASONS
    ]
    seen = [str(name).replace("_", " ") for name in painted.verdict.species]
    captions = [[f"{names[targets[n]]}?\n{seen[n]}" for n in part] for part in rows]
    figure = image_grid(
        [list(painted.pictures(part)) for part in rows], list(REASONS.values()), columns=5, captions=captions
    )
    return frame_pictures(figure, [list(painted.right[part]) for part in rows])

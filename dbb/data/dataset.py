"""What a benchmark's entry says of its data: where the splits come from, drawn here or read from files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dbb.data.files import Fit, Listing
from dbb.data.images import ImageSet

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Place:
    """Where a dataset can be had.

    Attributes:
        bring: takes a folder for what is downloaded, and the folder to fill.
    """

    title: str
    bring: Callable[[Path, Path], None]


Known = Mapping[str, Any]
"""What is known of one picture: a row of an image set's ``truth``."""


@dataclass(frozen=True)
class Redrawn:
    """What can be done to a drawn picture because its scene is known: controls, never a part of the method.

    Attributes:
        picture: (known, kind, generator) -> the same scene with a member of another kind, uint8 (S, S, 3); kinds are
            called as in the benchmark's ``oracle_labels``.
        erased: known -> a prompt for the same scene with nothing of the classes in it.
    """

    picture: Callable[[Known, str, np.random.Generator], np.ndarray]
    erased: Callable[[Known], str]


@dataclass(frozen=True)
class Drawn:
    """Splits that are drawn here.

    Attributes:
        make_split: (folder, split, images) writes the split.
        load_split: (folder, split) reads it.
        sizes: images of each split.
        redrawn: what controls do to its pictures.
    """

    make_split: Callable[[Path, str, int], None]
    load_split: Callable[[Path, str], ImageSet]
    sizes: Mapping[str, int]
    redrawn: Redrawn | None = None


@dataclass(frozen=True)
class Files:
    """Splits of pictures in files.

    Attributes:
        list_split: (folder, split) -> the split's pictures, in a fixed order; ``draw``, where given, makes of the
            training split's listing the one to train on.
        fit: how a picture becomes a square.
        counts: split -> images of each group that must be found, where they are known.
        places: where to download it.
        folder: where it lies; None: `dbb.data.layout.dataset_folder` of the benchmark's name.
    """

    list_split: Callable[[Path, str], Listing]
    fit: Fit
    counts: Mapping[str, tuple[int, ...]] | None = None
    places: tuple[Place, ...] = ()
    draw: Callable[[Listing], Listing] | None = None
    folder: Path | None = None


Dataset = Drawn | Files


class HasData(Protocol):
    """A benchmark's entry, as the tools for data see it."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def data(self) -> Dataset: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def attributes(self) -> tuple[str, ...]: ...
    @property
    def group_names(self) -> tuple[str, ...]: ...

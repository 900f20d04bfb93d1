"""The data: splits that are drawn here, or pictures in files, checked and decoded once."""

from collections.abc import Mapping

from dbb.benchmarks.splits import drawn_files, load_split, make_splits, source_code, source_identity, split_digest
from dbb.data.dataset import SPLITS, Drawn
from dbb.record import Made, StageRun
from dbb.stages.run import Run


def data(run: Run, sizes: Mapping[str, int | None] | None = None) -> Made:
    """Make or load the splits; they do not depend on the run's seed.

    Counts: the images of each split.

    Metrics: "splits", a digest of each split's content.

    Args:
        sizes: split -> images to draw; None, or a split left out: the benchmark's own.

    Raises:
        InputError: for an unknown split, a size where nothing is drawn, or a file that is missing or unreadable.
    """
    bm = run.benchmark
    given = {split: size for split, size in (sizes or {}).items() if size is not None}
    drawn = bm.data.sizes if isinstance(bm.data, Drawn) else {}

    def work(stage: StageRun) -> None:
        make_splits(bm, stage.folder, given)
        stage.products += drawn_files(bm)
        splits = {name: load_split(bm, name, stage.folder) for name in SPLITS}
        stage.counts |= {name: len(images) for name, images in splits.items()}
        stage.metrics["splits"] = {name: split_digest(bm, images) for name, images in splits.items()}

    settings = {
        "sizes": {**drawn, **given},
        "classes": len(bm.classes),
        "attributes": len(bm.attributes),
        "read_size": bm.read_size,
        "generation_size": bm.generation_size,
        "source": source_identity(bm),
    }
    return run.make("data", settings, {}, work, code=source_code(bm))

"""The study's sets of pictures, each made from the same source images: where they lie, and how each comes to be.

"tokens": the method's. "tokens N": with tokens learned from N images. "class word": without textual inversion.
"erased": an empty scene is painted over the thing. "true masks": with the renderer's silhouettes in place of the
segmenter's masks. "blurred", "renderer", "repeated", "autoencoded": without the painter (`dbb.study.controls`).
"""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from dbb.errors import InputError
from dbb.record import Made
from dbb.stages.generated import generated
from dbb.stages.mask_table import SOURCES
from dbb.stages.run import Run
from dbb.stages.tokens import tokens
from dbb.store import require_file
from dbb.study.controls import CONTROLS
from dbb.study.true_masks import true_masks
from dbb.study.truth import redrawn

TOKENS, CLASS_WORD, ERASED, TRUE_MASKS = "tokens", "class word", "erased", "true masks"

NEEDS = {ERASED: ("scene_seed",), TRUE_MASKS: ("mask",), "renderer": ("scene_seed",)}
"""What a set must know of a training picture beside its label (`ImageSet.truth`)."""


def folder_name(name: str) -> str:
    """Return what the folder of a set, or of something measured on it, is called."""
    return name.replace(" ", "-")


def set_size(name: str) -> int | None:
    """Return N of a set "tokens N"; None for another one."""
    number = name.removeprefix(f"{TOKENS} ")
    return int(number) if number.isdecimal() else None


def set_run(run: Run, name: str) -> Run:
    """Return the run whose stages are those of the set ``name``: what is not the method's own lies in
    ``pictures/<name>``.
    """
    at = f"pictures/{folder_name(name)}"
    if name == TOKENS:
        return run
    if set_size(name) is not None:
        return run.elsewhere(tokens=at, generated=at)
    return run.elsewhere(masks=at, generated=at) if name == TRUE_MASKS else run.elsewhere(generated=at)


def make_set(run: Run, name: str) -> Iterator[Made]:
    """Make or load the stages of the set ``name`` that are not the method's own, which must stand, and yield each.

    Raises:
        InputError: for an unknown set, and for one that needs a truth which the benchmark does not know.
    """
    here, size = set_run(run, name), set_size(name)
    if name in CONTROLS:
        yield CONTROLS[name](here)
    elif size is not None:
        yield tokens(here, replace(run.benchmark.inversion, images=size))
        yield generated(here)
    elif name == TRUE_MASKS:
        yield true_masks(here, run.made("masks"))
        yield generated(here)
    elif name in (CLASS_WORD, ERASED):
        yield generated(here, prompts=prompts(run, name))
    elif name != TOKENS:
        raise InputError(
            f"unknown set of pictures {name!r}: choose one of {TOKENS}, {TOKENS} N, {CLASS_WORD}, "
            f"{ERASED}, {TRUE_MASKS}, {', '.join(CONTROLS)}"
        )


def prompts(run: Run, name: str) -> dict[int, str]:
    """Return source id -> its prompt in the set ``name``, which is "class word" or "erased"."""
    sources = pd.read_parquet(require_file(run.folder("masks") / SOURCES))["source_id"].tolist()
    if name == CLASS_WORD:  # the template without its token is the bare class word
        return dict.fromkeys(sources, " ".join(run.benchmark.templates[0].format("").split()))
    erased, truth = redrawn(run).erased, run.split("train").truth
    return {source: erased({name: values[source] for name, values in truth.items()}) for source in sources}

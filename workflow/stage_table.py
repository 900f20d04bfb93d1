"""The table of the pages: what each reads, which models it loads, which parts of the configuration it is handed."""

from dbb.store import NOTEBOOKS, OTHERS, RESULTS

STAGES = {notebook: stage for stage, notebook in NOTEBOOKS.items()}
"""Notebook -> the stage that it makes or loads."""

READS = {
    "01-data": (),
    "02-erm": ("data",),
    "03-tokens": ("data", "erm"),
    "04-masks": ("data", "erm"),
    "05-generate": ("data", "erm", "tokens", "masks"),
    "06-prune": ("data", "erm", "masks", "generated"),
    "07-retrain": ("data", "erm", "generated", "pruned"),
    **dict.fromkeys((RESULTS, *OTHERS), tuple(NOTEBOOKS)),
}
"""Notebook -> the stages of its run that must stand before it."""

MODELS = {
    "02-erm": ("classifier",),
    "03-tokens": ("inpainting", "segmenter", "oracle"),
    "04-masks": ("segmenter",),
    "05-generate": ("inpainting", "oracle"),
    "06-prune": ("classifier", "oracle"),
    "07-retrain": ("classifier",),
    RESULTS: ("oracle",),
    "13-mini-celeba": ("oracle",),
    "14-mini-metashift": ("classifier", "inpainting", "oracle"),
}
"""Notebook -> which of the benchmark's models it loads."""

TAKES = {
    "02-erm": ("classifier", "checkpoint"),
    "03-tokens": ("inpainting", "segmenter", "memory"),
    "04-masks": ("segmenter",),
    "05-generate": ("inpainting", "memory", "compiled"),
    "06-prune": ("classifier", "memory"),
    "07-retrain": ("classifier",),
}
"""Notebook -> which keys of the configuration it takes as parameters, beside benchmark, seed and runs; all of these
compute something, so they also take the device.
"""

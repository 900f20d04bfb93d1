"""Tables about the paper's scale: what a benchmark's entry sets and whence, what was published, what was measured.

`paper_pages` gives the files that book/waterbirds.md, book/celeba.md and book/metashift.md include. Published numbers
come from reported.yml, measured ones from results/<benchmark>/, and no table holds both.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from dbb.benchmarks import Benchmark, TrainingSettings, get_benchmark
from dbb.metrics import FULL, MEASURES
from dbb.report.markdown import markdown_table
from dbb.results import ERM, METHOD, RESULTS, TIMES
from dbb.statistics import percent, read_results, seeds_of, values
from dbb.transforms import AREAS

NAMES = ("waterbirds", "celeba", "metashift")
STUDIES = {"waterbirds": "table5", "celeba": "table3"}  # benchmark -> the paper's ablation on it

CODE, HERE = "released code", "chosen here"
ERM_SOURCES = {
    "waterbirds": "fhn98/DaC",
    "celeba": "PolinaKirichenko/ deep_feature_reweighting",
    "metashift": "Wuyxin/DISC",
}
"""Whence the base classifier's settings are. The paper's section 8.1 takes its base models from DaC and DISC; DaC gives
settings for Waterbirds alone, and its code begins with checkpoints of DFR.
"""

RANGES = ("Base (ERM)", "DBB, the paper's", "DBB, rerun by a third party (GRSSL)")
"""The rows of Table 1 that a run of ours is to be held against."""

AUGMENTATIONS = {
    "none": "none",
    "flip": "mirrored half of the time",
    "crop": f"random crop of {AREAS[0]:.0%} to {AREAS[1]:.0%} of the area, mirrored half of the time",
}

MODELS = {ERM: "ERM", METHOD: "DBB"}
COUNTED = ("masks", "generated", "pruned")
"""The stages whose hours Table 9 counts."""

NOT_RUN = (
    "**Not run here.** Where this book was made there was no connection to the hosts of the dataset and of the "
    "weights, and no GPU for a run of this length. The commands above write `results/{name}/results.csv`; once this "
    "file is there, a table of its numbers stands in this place."
)


def paper_pages(reported: dict[str, Any], results: Path) -> dict[str, bytes]:
    """Return file name -> content of what the benchmarks' pages include, all from one call.

    reported: the content of reported.yml. results: the folder with a folder of results per benchmark.
    """
    pages: dict[str, str] = {}
    for name in NAMES:
        benchmark = get_benchmark(name)
        pages |= {
            f"{name}-settings.md": markdown_table(["stage", "setting", "value", "source"], settings_rows(benchmark)),
            f"{name}-published.md": published_part(reported, benchmark),
            f"{name}-measured.md": measured_part(results, benchmark),
        }
    return {name: (text + "\n").encode() for name, text in pages.items()}


# ------------------------------------------------------------------------------------------------ settings


def settings_rows(bm: Benchmark) -> list[list[str]]:
    """Return stage, setting, value and source of all that the entry of a benchmark of the paper sets."""
    stages = {
        "data": data_settings(bm),
        "ERM": [("model", code(bm.classifier), "paper, 5.1"), *training_settings(bm.erm, *[ERM_SOURCES[bm.name]] * 3)],
        "tokens": token_settings(bm),
        "masks": mask_settings(bm),
        "generation": generation_settings(bm),
        "pruning": pruning_settings(bm),
        "retraining": [
            (
                "γ₁, γ₂ (images made into " + ", ".join(bm.classes) + ")",
                ", ".join(f"{gamma:g}" for gamma in bm.retraining.gammas),
                "paper, Table 10",
            ),
            *training_settings(bm.retraining, CODE, "paper, Table 10", CODE),
        ],
    }
    return [
        [stage if first else "", *row]
        for stage, rows in stages.items()
        for first, row in zip([True] + [False] * len(rows), rows, strict=False)
    ]


def data_settings(bm: Benchmark) -> list[tuple[str, str, str]]:
    margin = f", the centre of {bm.read_size} px" if bm.read_size > bm.image_size else ""
    return [
        ("classes y", ", ".join(bm.classes), "paper, 5.1"),
        ("attributes a", ", ".join(bm.attributes), "paper, Tables 6-8"),
        ("the classifier sees", f"{bm.image_size} px{margin}", f"{CODE}, data/"),
    ]


def training_settings(settings: TrainingSettings, epochs: str, rates: str, rest: str) -> list[tuple[str, str, str]]:
    """Return the rows of a training; ``epochs``, ``rates``, ``rest``: the sources of its three parts."""
    return [
        ("epochs", str(settings.epochs), epochs),
        ("batch size, learning rate", f"{settings.batch_size}, {settings.learning_rate:g}", rates),
        ("optimiser", f"{settings.optimiser}, weight decay {settings.weight_decay:g}, {settings.schedule} rate", rest),
        ("augmentation", AUGMENTATIONS[settings.augmentation], rest),
    ]


def token_settings(bm: Benchmark) -> list[tuple[str, str, str]]:
    inversion = bm.inversion
    return [
        ("model", code(bm.inpainting), "paper, 5.1; a mirror of it"),
        ("images per class", str(inversion.images), "paper, Table 5"),
        ("steps, batch size", f"{inversion.steps}, {inversion.batch_size}", f"{CODE}, README"),
        ("learning rate", f"{inversion.learning_rate:g}", f"{CODE}, README: 5e-4 × 4 × 1 by --scale_lr"),
        ("initial word", code(inversion.initial_word), f"{CODE}, README"),
        ("first prompt", code(bm.templates[0]), "paper, 4.1"),
        ("other prompts", ", ".join(map(code, bm.templates[1:])), HERE),
    ]


def mask_settings(bm: Benchmark) -> list[tuple[str, str, str]]:
    grown = f"grown by {bm.masks.pad} px" if bm.masks.pad else "not grown"
    return [
        ("segmenter", code(bm.segmenter), "paper, 4.1"),
        ("prompt", code(bm.class_word), "paper, 4.1"),
        ("a detected box counts above", f"{bm.masks.threshold:g}", f"{CODE}, generate.py"),
        ("mask to repaint", f"{grown}, {'boxed' if bm.masks.box else 'not boxed'}", "paper, eq. 2"),
        ("smaller masks are failures", f"{bm.masks.min_area:.1%} of the picture", HERE),
    ]


def generation_settings(bm: Benchmark) -> list[tuple[str, str, str]]:
    generation = bm.generation
    counts = ", ".join(f"{k:,} of {name}" for k, name in zip(generation.per_class, bm.classes, strict=True))
    prompts = ", ".join(code(bm.templates[0].format(bm.placeholder_token(label))) for label in range(len(bm.classes)))
    return [
        ("K, lowest-loss images", counts, "paper, Table 2"),
        ("prompts", prompts, "paper, 4.1"),
        ("picture size", f"{bm.generation_size} px", f"{CODE}, generate.py"),
        ("sampler", f"{generation.sampler}, {generation.steps} steps", f"{CODE}: the pipeline's defaults"),
        ("guidance scale", f"{generation.guidance_scale:g}", f"{CODE}: the pipeline's default"),
        ("batch size", str(generation.batch_size), f"{CODE}, generate.py"),
    ]


def pruning_settings(bm: Benchmark) -> list[tuple[str, str, str]]:
    bounds = ", ".join(f"{P:g} into {name}" for P, name in zip(bm.pruning.thresholds, bm.classes, strict=True))
    return [
        ("P", bounds, "paper, Table 10"),
        ("eq. 4 attributes", f"the {bm.pruning.on} of the new class", f"{CODE}, generate.py"),
        ("points of its integral", str(bm.pruning.steps), f"{CODE}: captum's default"),
    ]


def code(text: str) -> str:
    """Return ``text`` as Markdown code."""
    return f"`{text}`"


# ------------------------------------------------------------------------------------------------ published


def published_part(reported: dict[str, Any], bm: Benchmark) -> str:
    """Return the published tables that concern one benchmark: group sizes, accuracies, pruning, an ablation, hours."""
    parts = [
        f"**Images per group, Tables 6 to 8.** {reported['tables6-8']['note']}",
        markdown_table(["group", "training", "validation", "test"], rows_of(reported["tables6-8"], bm.title)),
        "**Accuracy on test, Tables 1 and 2.** Worst group / average in %; a dash: the source gives none.",
        markdown_table(["method", "accuracy"], accuracy_rows(reported, bm)),
        "**Images generated and pruned, Tables 2 and 4.** Kept is the difference of the two columns before it.",
        markdown_table(
            ["source class", "generated", "pruned", "kept", "of the lowest loss: majority / minority"],
            pruning_rows(reported, bm),
        ),
    ]
    if bm.name in STUDIES:
        study = reported[STUDIES[bm.name]]
        parts += [f"**{study['title']}** {study['note']}", markdown_table(study["columns"], study["rows"])]
    hours = dict(zip(reported["table9"]["columns"], reported["table9"]["rows"][0], strict=True))[bm.title]
    parts.append(f"**Hours on one A100, Table 9.** {hours}, for masks, generation and integrated gradients together.")
    return "\n\n".join(parts)


def rows_of(table: dict[str, Any], title: str) -> list[list[Any]]:
    """Return the rows of a published table that begin with a dataset's ``title``, without it."""
    return [row[1:] for row in table["rows"] if row[0] == title]


def accuracy_rows(reported: dict[str, Any], bm: Benchmark) -> list[list[str]]:
    table = reported["table1"]
    column = table["columns"].index(bm.title)
    methods = {row[0]: row[column] for row in table["rows"]}
    unpruned = rows_of(reported["table2"], bm.title)[0][-1]
    return [*([name, methods[name]] for name in RANGES), ["DBB, the paper's, without pruning", f"{unpruned} / –"]]


def pruning_rows(reported: dict[str, Any], bm: Benchmark) -> list[list[str]]:
    names, generated, pruned = (cell.split(" / ") for cell in rows_of(reported["table2"], bm.title)[0][:3])
    shares = rows_of(reported["table4"], bm.title)[0]
    return [
        [name, made, out, str(int(made) - int(out)), share]
        for name, made, out, share in zip(names, generated, pruned, shares, strict=True)
    ]


# ------------------------------------------------------------------------------------------------ measured


def measured_part(results: Path, bm: Benchmark) -> str:
    """Return the measured accuracies over the seeds, in % with 95 % intervals, and how they came about; without a
    table of results the sentence that nothing was run.
    """
    folder = results / bm.name
    if not (folder / RESULTS).is_file():
        return NOT_RUN.format(name=bm.name)
    measured, times = read_results(folder / RESULTS), pd.read_csv(folder / TIMES)
    measures = {key: name for key, name in MEASURES.items() if key != FULL or (measured["measure"] == FULL).any()}
    rows = [
        [title, len(seeds_of(measured, arm)), *(measured_cell(measured, arm, name) for name in measures)]
        for arm, title in MODELS.items()
    ]
    seeds = ", ".join(map(str, seeds_of(measured, METHOD)))
    caption = f"**Accuracy on test, measured here.** Mean over the seeds {seeds} and its 95 % interval, in %."
    closing = (
        f"On average {pictures(measured, 'generated'):,.0f} images were generated and "
        f"{pictures(measured, 'kept'):,.0f} kept; masks, generation and pruning took {hours(times)} per seed on "
        f"{', '.join(times.loc[times['stage'] == 'generated', 'device'].unique())}."
    )
    return "\n\n".join([caption, markdown_table(["model", "seeds", *measures.values()], rows), closing])


def measured_cell(measured: pd.DataFrame, arm: str, measure: str) -> str:
    """Return the mean and interval of a measure on test in %; a dash where it does not exist for every seed."""
    complete = len(values(measured, arm, measure)) == len(seeds_of(measured, arm))
    return str(percent(measured, arm, measure)) if complete else "–"


def pictures(measured: pd.DataFrame, what: str) -> float:
    """Return how many pictures of all classes were "generated" or "kept", on average over the seeds."""
    rows = measured[(measured["arm"] == METHOD) & measured["measure"].str.startswith(f"{what}/")]
    return rows.groupby("seed")["value"].sum().mean()


def hours(times: pd.DataFrame) -> str:
    """Return the hours of `COUNTED` per seed, where they are known: a run that was cut off and went on has none."""
    table = times[times["stage"].isin(COUNTED)].pivot(index="seed", columns="stage", values="seconds")
    taken = table.dropna().sum(axis=1) / 3600
    return f"{taken.mean():.1f} hours" if len(taken) else "a time that is not known, having been cut off,"

# The order of the work: a rule per stage, each running one notebook; then the chapters; then the book.
#
#   snakemake --cores all book                          everything
#   snakemake --cores all book --config seed=3          another seed
#   snakemake --cores all book --configfile quick.yml   other parameters (see book/rerun.md)

import shlex
import sys
from pathlib import Path

sys.path.insert(0, "book/tools")
from imports import dbb_files

from dbb.benchmarks import get_benchmark
from dbb.store import NOTEBOOKS

STAGES = {notebook: stage for stage, notebook in NOTEBOOKS.items()}

BENCHMARK = config.get("benchmark", "mini-waterbirds")
SEED = config.get("seed", 0)
RUNS = config.get("runs", "runs")
PARAMETERS = config.get("parameters", {})  # notebook -> {name: value}, beside benchmark, seed and runs

# What each stage reads. The data do not depend on the run's seed, so they lie beside the seeds' folders.
NEEDS = {
    "data": [],
    "erm": ["data"],
    "tokens": ["data", "erm"],
    "masks": ["data", "erm"],
    "generated": ["data", "erm", "tokens", "masks"],
    "pruned": ["data", "erm", "masks", "generated"],
    "retrained": ["data", "erm", "generated", "pruned"],
    "results": ["data", "erm", "tokens", "masks", "generated", "pruned", "retrained"],
}

# Which of the benchmark's models it loads.
MODELS = {
    "erm": ["classifier"],
    "tokens": ["inpainting", "segmenter", "oracle"],
    "masks": ["segmenter"],
    "generated": ["inpainting", "oracle"],
    "pruned": ["oracle"],
}


def folder(stage):
    return f"{RUNS}/{{benchmark}}" if stage == "data" else f"{RUNS}/{{benchmark}}/seed{{seed}}"


def record(stage):
    return f"{folder(stage)}/{stage}/run.json"


def executed(stage):
    return f"{folder(stage)}/notebooks/{NOTEBOOKS[stage]}.ipynb"


def shown(template):
    """The path that belongs to the benchmark and seed of this book."""
    return template.format(benchmark=BENCHMARK, seed=SEED)


def model_files(stage):
    """The files of the models that lie in folders of their own (not those of a hub)."""

    def files(wildcards):
        benchmark = get_benchmark(wildcards.benchmark)
        folders = [Path(getattr(benchmark, model)) for model in MODELS.get(stage, []) if getattr(benchmark, model)]
        return sorted(str(path) for model in folders for path in model.rglob("*") if path.is_file())

    return files


def parameters(stage):
    """The stage's parameters as papermill's options."""
    given = {"runs": RUNS} | ({} if stage == "data" else {"seed": SEED}) | PARAMETERS.get(NOTEBOOKS[stage], {})
    return " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in given.items())


localrules:
    book,
    chapter,
    readme,
    runs,


rule book:
    input:
        expand("book/chapters/{name}.ipynb", name=NOTEBOOKS.values()),
        expand("notebooks/{name}.ipynb", name=NOTEBOOKS.values()),
        "book/runs.json",
        "book/headline.png",
        [str(path) for kind in ("*.md", "*.yml", "*.bib", "_static/*", "tools/*.py") for path in Path("book").glob(kind)],
        [str(path) for path in Path("dbb").rglob("*.py")],
    output:
        "book/_build/html/index.html",
    message:
        "the book"
    shell:
        "jupyter-book build book -W -n --keep-going --quiet"


rule chapter:
    input:
        source="notebooks/{name}.ipynb",
        executed=lambda wildcards: shown(executed(STAGES[wildcards.name])),
        tool="book/tools/chapter.py",
    output:
        "book/chapters/{name}.ipynb",
    message:
        "{output}"
    shell:
        "python {input.tool} {input.source} {input.executed} {output}"


rule runs:
    input:
        [shown(record(stage)) for stage in NEEDS],
    output:
        "book/runs.json",
    message:
        "{output}"
    shell:
        "python book/tools/runs.py collect {input} > {output}"


# It also rewrites the table in README.md, which is no output here: Snakemake would delete it first.
rule readme:
    input:
        "book/chapters/08-results.ipynb",
        "book/runs.json",
    output:
        "book/headline.png",
    message:
        "{output} and the table in README.md"
    shell:
        "python book/tools/readme.py"


for stage in NEEDS:
    source = f"notebooks/{NOTEBOOKS[stage]}.ipynb"

    rule:
        name:
            stage
        input:
            [record(need) for need in NEEDS[stage]],
            dbb_files(source),
            model_files(stage),
            source=source,
        output:
            record(stage),
            notebook=executed(stage),
        params:
            parameters=parameters(stage),
        message:
            "{input.source} -> {output[0]}"
        threads: workflow.cores  # Snakemake sets OMP_NUM_THREADS from this, and torch obeys
        shell:
            "papermill {input.source} {output.notebook} -p benchmark {wildcards.benchmark} {params.parameters}"
            " --cwd . --no-progress-bar --log-level WARNING"

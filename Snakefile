# The order of the work: a rule per stage, each running one notebook; then the chapters; then the book.
#
#   snakemake --cores all book                          everything
#   snakemake --cores all book --config seed=3          another seed
#   snakemake --cores all book --configfile quick.yml   other parameters (see book/rerun.md)
#   snakemake --cores all study_results                      the study behind the last chapters, seed by seed
#   snakemake --cores all paper --config benchmark=waterbirds seeds=0,1,2     the paper's experiment (book/paper-scale.md)

import shlex
import sys
from pathlib import Path

sys.path.insert(0, "book/tools")
from configuration import check_config
from imports import dbb_files

from dbb.benchmarks import get_benchmark
from dbb.data import FILES
from dbb.store import NOTEBOOKS, READINGS
from dbb.study.settings import SEEDS

STAGES = {notebook: stage for stage, notebook in NOTEBOOKS.items()}

BENCHMARK = config.get("benchmark", "mini-waterbirds")
SEED = config.get("seed", 0)
PAPER_SEEDS = str(config.get("seeds", SEED)).split(",")
SHARDS = int(config.get("shards", 1))  # jobs that generation is split into
RUNS = config.get("runs", "runs")
RESULTS = config.get("results", "results")
PARAMETERS = config.get("parameters", {})  # notebook -> {name: value}, beside benchmark, seed and runs

THREADS = workflow.cores or 8  # Snakemake sets OMP_NUM_THREADS from this, and torch obeys; a cluster has no cores here

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


# Which parameters of --config it passes on, beside benchmark, seed and runs.
TAKES = {
    "erm": ["classifier"],
    "tokens": ["inpainting", "segmenter", "memory"],
    "masks": ["segmenter"],
    "generated": ["inpainting", "memory", "compiled"],
    "pruned": ["classifier", "memory"],
    "retrained": ["classifier"],
}

check_config(config)


wildcard_constraints:
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",


def folder(stage):
    return f"{RUNS}/{{benchmark}}" if stage == "data" else f"{RUNS}/{{benchmark}}/seed{{seed}}"


def record(stage):
    return f"{folder(stage)}/{stage}/run.json"


def executed(stage):
    return f"{folder(stage)}/notebooks/{NOTEBOOKS[stage]}.ipynb"


def read(notebook):
    """The executed copy of a chapter that reads the study's results."""
    return f"{RUNS}/{{benchmark}}/notebooks/{notebook}.ipynb"


def executed_by_name(name):
    return executed(STAGES[name]) if name in STAGES else read(name)


def shown(template):
    """The path that belongs to the benchmark and seed of this book."""
    return template.format(benchmark=BENCHMARK, seed=SEED)


def model_files(stage):
    """The files of the models that lie in folders of their own (not those of a hub)."""

    def files(wildcards):
        benchmark = get_benchmark(wildcards.benchmark)
        specs = [config.get(model) or getattr(benchmark, model) for model in MODELS.get(stage, [])]
        folders = [Path(spec) for spec in specs if spec]
        return sorted(str(path) for model in folders for path in model.rglob("*") if path.is_file())

    return files


def parameters(stage):
    """The stage's parameters as papermill's options."""

    def options(wildcards):
        given = {"runs": RUNS} | {name: config[name] for name in TAKES.get(stage, []) if name in config}
        if stage != "data":
            given["seed"] = wildcards.seed
        given |= PARAMETERS.get(NOTEBOOKS[stage], {})
        return " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in given.items())

    return options


def device(stage):
    """Where it computes, as papermill's option: a resource and no parameter, so that another device redoes nothing."""
    return f"-p device {config['device']}" if "device" in config and stage in TAKES else ""


def shard_record(shard, shards):
    return f"{folder('generated')}/generated/shards/{shard}-of-{shards}/run.json"


def before(stage):
    """What else a stage waits for: a dataset that is downloaded, the shards of its images."""

    def files(wildcards):
        if stage == "data" and wildcards.benchmark in FILES:
            return [f"{RUNS}/{wildcards.benchmark}/dataset.verified"]
        if stage == "generated" and SHARDS > 1:
            return expand(shard_record("{shard}", SHARDS), shard=range(SHARDS), **wildcards)
        return []

    return files


localrules:
    book,
    chapter,
    dataset,
    paper,
    readme,
    runs,


rule book:
    input:
        expand("book/chapters/{name}.ipynb", name=[*NOTEBOOKS.values(), *READINGS]),
        expand("notebooks/{name}.ipynb", name=[*NOTEBOOKS.values(), *READINGS]),
        "book/runs.json",
        "book/headline.png",
        "book/pipeline.png",
        [str(path) for path in Path(RESULTS).glob("*/paper.csv")],
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
        executed=lambda wildcards: shown(executed_by_name(wildcards.name)),
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
        f"{RESULTS}/{BENCHMARK}/arms.csv",
    output:
        "book/headline.png",
        "book/pipeline.png",
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
            before(stage),
            dbb_files(source),
            model_files(stage),
            source=source,
        output:
            record(stage),
            notebook=executed(stage),
        params:
            parameters=parameters(stage),
        resources:
            device=device(stage),
        message:
            "{input.source} -> {output[0]}"
        threads: THREADS
        shell:
            "papermill {input.source} {output.notebook} -p benchmark {wildcards.benchmark} {params.parameters}"
            " {resources.device}"
            " --cwd . --no-progress-bar --log-level WARNING"


# A part of the batches, by the same notebook; `generated` finds all parts there, and writes the one manifest.
rule shard:
    input:
        [record(need) for need in NEEDS["generated"]],
        dbb_files("notebooks/05-generate.ipynb"),
        model_files("generated"),
        source="notebooks/05-generate.ipynb",
    output:
        shard_record("{shard}", "{shards}"),
        notebook=f"{folder('generated')}/notebooks/05-generate-{{shard}}-of-{{shards}}.ipynb",
    params:
        parameters=parameters("generated"),
    resources:
        device=device("generated"),
    message:
        "{input.source}, part {wildcards.shard} of {wildcards.shards} -> {output[0]}"
    threads: THREADS
    shell:
        "papermill {input.source} {output.notebook} -p benchmark {wildcards.benchmark} {params.parameters}"
        " {resources.device} -p shard {wildcards.shard} -p shards {wildcards.shards} -p compared 1"
        " --cwd . --no-progress-bar --log-level WARNING"


# Downloads what is missing and counts and opens every picture; data placed by hand are only verified.
rule dataset:
    output:
        touch(f"{RUNS}/{{benchmark}}/dataset.verified"),
    message:
        "the pictures of {wildcards.benchmark}"
    shell:
        "python -m dbb.data get {wildcards.benchmark}"


rule paper:
    input:
        expand(record("results"), benchmark=BENCHMARK, seed=PAPER_SEEDS),
    message:
        f"{RESULTS}/{BENCHMARK}/paper.csv"
    shell:
        f"python book/tools/paper.py collect {BENCHMARK} {RUNS} {RESULTS}"


# The study: a job per seed on one thread each, as many beside each other as there are cores; then the results. These are
# committed and read by the last chapters, so no rule has them for outputs: the book must not compute them anew.
rule study:
    input:
        record("data"),
        "dbb/benchmarks.py",
        model_files("erm"),
        model_files("tokens"),
    output:
        f"{RUNS}/{{benchmark}}/study-seed{{seed}}.done",
    message:
        "seed {wildcards.seed} of the study"
    threads: 1
    shell:
        "python -m dbb.study seed {wildcards.seed} --benchmark {wildcards.benchmark}"
        f" --runs {RUNS} && touch {{output}}"


rule study_choices:
    input:
        record("data"),
        model_files("tokens"),
    output:
        f"{RUNS}/{{benchmark}}/study-choices.done",
    message:
        "the study's choices"
    threads: 1
    shell:
        f"python -m dbb.study choices --benchmark {{wildcards.benchmark}} --runs {RUNS} --results {RESULTS}"
        " && touch {output}"


rule study_results:
    input:
        shown(f"{RUNS}/{{benchmark}}/study-choices.done"),
        [shown(f"{RUNS}/{{benchmark}}/study-seed{seed}.done") for seed in SEEDS],
    message:
        "results/"
    shell:
        f"python -m dbb.study collect --benchmark {BENCHMARK} --runs {RUNS} --results {RESULTS}"


for reading in READINGS:
    source = f"notebooks/{reading}.ipynb"

    rule:
        name:
            reading.replace("-", "_")
        input:
            lambda wildcards: sorted(str(p) for p in Path(RESULTS, wildcards.benchmark).glob("*")),
            dbb_files(source),
            source=source,
        output:
            notebook=read(reading),
        params:
            parameters=f"-p results {RESULTS}",
        message:
            "{input.source}"
        threads: 1
        shell:
            "papermill {input.source} {output.notebook} -p benchmark {wildcards.benchmark} {params.parameters}"
            " --cwd . --no-progress-bar --log-level WARNING"

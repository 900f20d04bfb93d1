# A rule per page: its notebook makes or loads one stage, and shows it.


def handed(notebook):
    """A page's parameters, as page.py takes them."""

    def options(wildcards):
        seed, shard = (int(getattr(wildcards, name, 0)) for name in ("seed", "shard"))
        given = PLAN.parameters(notebook, seed, shard if "shard" in wildcards.keys() else None)
        return shlex.quote(json.dumps(given))

    return options


def device(notebook):
    """Where it computes: a resource and no parameter, so that another device makes nothing anew."""
    return f"--device {PLAN.config['device']}" if "device" in PLAN.config and notebook in TAKES else ""


def shard_pages(wildcards):
    """What the page of generation waits for, unless it stands already."""
    if STANDING.get(PLAN.path(GENERATE, wildcards.seed)):
        return []
    return [PLAN.path(GENERATE, wildcards.seed, shard) for shard in PLAN.shard_numbers]


for notebook in READS:

    rule:
        name:
            STAGES.get(notebook, "results")
        input:
            due(PLAN.path(notebook)),
            [PLAN.path(needed) for needed in PLAN.before(notebook)],
            shard_pages if notebook == GENERATE else [],
            PLAN.dataset if notebook == "01-data" and PLAN.downloads else [],
        output:
            update(PLAN.path(notebook)),
        params:
            source=f"notebooks/{notebook}.ipynb",
            parameters=handed(notebook),
        resources:
            device=device(notebook),
        message:
            "{params.source} -> {output}"
        threads: THREADS
        shell:
            "python workflow/page.py {params.source} {output} --parameters {params.parameters} {resources.device}"


# A part of the batches, by the same notebook; `generated` finds all parts there, and writes the one manifest.
rule shard:
    input:
        due(PLAN.path(GENERATE, shard="{shard}")),
        [PLAN.path(needed) for needed in PLAN.before(GENERATE)],
    output:
        update(PLAN.path(GENERATE, shard="{shard}")),
    params:
        source=f"notebooks/{GENERATE}.ipynb",
        parameters=handed(GENERATE),
    resources:
        device=device(GENERATE),
    message:
        "{params.source}, part {wildcards.shard} -> {output}"
    threads: THREADS
    shell:
        "python workflow/page.py {params.source} {output} --parameters {params.parameters} {resources.device}"


for notebook in READINGS:

    rule:
        name:
            notebook.replace("-", "_")
        input:
            due(PLAN.path(notebook)),
        output:
            update(PLAN.path(notebook)),
        params:
            source=f"notebooks/{notebook}.ipynb",
            parameters=handed(notebook),
        message:
            "{params.source} -> {output}"
        threads: 1
        shell:
            "python workflow/page.py {params.source} {output} --parameters {params.parameters}"


localrules:
    dataset,


# Downloads what is missing, counts and opens every picture, and writes down what it found.
rule dataset:
    input:
        due(PLAN.dataset),
    output:
        update(PLAN.dataset),
    params:
        benchmark=PLAN.config["benchmark"],
    message:
        "the pictures of {params.benchmark}"
    shell:
        "python workflow/dataset.py {params.benchmark} {output}"

# A rule per page: its notebook makes or loads one stage, and shows it.


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
        priority: 1
        threads: THREADS
        resources:
            device=device(notebook),
        params:
            source=f"notebooks/{notebook}.ipynb",
            parameters=handed(notebook),
            place=place(notebook),
        message:
            "{params.source} -> {output}"
        shell:
            "python workflow/page.py {params.source} {output} --parameters {params.parameters} "
            "--place {params.place} {resources.device}"


# A part of the batches, by the same notebook; `generated` finds all parts there, and writes the one manifest.
rule shard:
    input:
        due(PLAN.path(GENERATE, shard="{shard}")),
        [PLAN.path(needed) for needed in PLAN.before(GENERATE)],
    output:
        update(PLAN.path(GENERATE, shard="{shard}")),
    threads: THREADS
    resources:
        device=device(GENERATE),
    params:
        source=f"notebooks/{GENERATE}.ipynb",
        parameters=handed(GENERATE),
        place=place(GENERATE),
    message:
        "{params.source}, part {wildcards.shard} -> {output}"
    shell:
        "python workflow/page.py {params.source} {output} --parameters {params.parameters} "
        "--place {params.place} {resources.device}"


for notebook in READINGS:

    rule:
        name:
            notebook.replace("-", "_")
        input:
            due(PLAN.path(notebook)),
        output:
            update(PLAN.path(notebook)),
        threads: 1
        params:
            source=f"notebooks/{notebook}.ipynb",
            parameters=handed(notebook),
            place=place(notebook),
        message:
            "{params.source} -> {output}"
        shell:
            "python workflow/page.py {params.source} {output} --parameters {params.parameters} "
            "--place {params.place}"


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

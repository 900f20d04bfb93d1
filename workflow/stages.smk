# A rule per page: its notebook makes or loads one stage, and shows it, or reads what others made.


for plan in PLANS:
    for notebook in plan.notebooks:

        rule:
            name:
                rule_name(plan, notebook)
            input:
                due(plan.path(notebook)),
                [plan.path(needed) for needed in plan.before(notebook)],
                shard_pages(plan) if notebook == GENERATE else [],
                plan.dataset if notebook == "01-data" and plan.downloads else [],
            output:
                update(plan.path(notebook)),
            priority: 0 if notebook in READINGS else 1
            threads: 1 if notebook in READINGS else THREADS
            resources:
                device=device(plan, notebook),
            params:
                source=f"notebooks/{notebook}.ipynb",
                parameters=handed(plan, notebook),
                place=place(plan, notebook),
            message:
                "{params.source} -> {output}"
            shell:
                "python workflow/page.py {params.source} {output} --parameters {params.parameters} "
                "--place {params.place} {resources.device}"


# A part of the batches, by the same notebook; `generated` finds all parts there, and writes the one manifest.
for plan in PLANS:

    rule:
        name:
            rule_name(plan, "shard")
        input:
            due(plan.path(GENERATE, shard="{shard}")),
            [plan.path(needed) for needed in plan.before(GENERATE)],
        output:
            update(plan.path(GENERATE, shard="{shard}")),
        threads: THREADS
        resources:
            device=device(plan, GENERATE),
        params:
            source=f"notebooks/{GENERATE}.ipynb",
            parameters=handed(plan, GENERATE),
            place=place(plan, GENERATE),
        message:
            "{params.source}, part {wildcards.shard} -> {output}"
        shell:
            "python workflow/page.py {params.source} {output} --parameters {params.parameters} "
            "--place {params.place} {resources.device}"


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

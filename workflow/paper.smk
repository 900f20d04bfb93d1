# The paper's experiment: all pages of each seed, and its numbers beside those of the other seeds.


localrules:
    paper,


rule paper:
    input:
        expand(PLAN.path(RESULTS), seed=PLAN.seeds),
    params:
        of=shlex.join([PLAN.config["benchmark"], "--runs", PLAN.runs, "--results", PLAN.results]),
    message:
        f"{PLAN.results}/{PLAN.benchmark.name}/"
    shell:
        "python -m dbb.results {params.of}"

# The paper's experiment: all pages of each seed, and its numbers beside those of the other seeds.


localrules:
    paper,


rule paper:
    input:
        expand(PLAN.path(RESULTS), seed=PLAN.seeds),
    message:
        f"{PLAN.results}/{PLAN.benchmark.name}/"
    shell:
        "python workflow/paper.py {PLAN.config[benchmark]} {PLAN.runs} {PLAN.results}"

# The compared methods: a job per method that tunes it, a job per method and seed, on one thread each, as many beside each
# other as there are cores; then the table. What is made stands in records, as in study.smk, and so do the marks here.

from dbb.methods.registry import method_names

TOLD = told("device")
METHODS = PLAN.config.get("methods", ",".join(method_names())).split(",")


wildcard_constraints:
    method=r"[a-z-]+",


localrules:
    methods_results,


rule method_tuning:
    output:
        temp(touch(f"{PLAN.folder}/.methods-tuned-{{method}}-{{call}}")),
    threads: 1
    params:
        of=TOLD,
    message:
        "the trials of {wildcards.method}"
    shell:
        "python -m dbb.methods tune {wildcards.method} {params.of}"


rule method_seed:
    input:
        f"{PLAN.folder}/.methods-tuned-{{method}}-{{call}}",
    output:
        temp(touch(f"{PLAN.folder}/.methods-{{method}}-seed{{seed}}-{{call}}")),
    threads: 1
    params:
        of=TOLD,
    message:
        "seed {wildcards.seed} of {wildcards.method}"
    shell:
        "python -m dbb.methods seed {wildcards.method} {wildcards.seed} {params.of}"


rule methods_results:
    input:
        expand(f"{PLAN.folder}/.methods-{{method}}-seed{{seed}}-{CALL}", method=METHODS, seed=SEEDS),
    params:
        of=TOLD,
        methods=",".join(METHODS),
    message:
        f"{PLAN.results}/{PLAN.benchmark.name}/methods.csv"
    shell:
        "python -m dbb.methods collect --methods {params.methods} {params.of}"

# The study: a job per seed on one thread each, as many beside each other as there are cores; then the results. These
# are committed and read by the last chapters, so no rule has them for outputs: the book must not compute them anew.
#
# A seed's arms are made or loaded one by one, so each job goes through whenever it is asked for: what it touches is new
# to each call of Snakemake, and gone when the results are written.

from dbb.study.settings import SEEDS

STUDY = told("device", "memory")
CALL = "".join(sign for sign in STARTED if sign.isalnum())


wildcard_constraints:
    call=r"\w+",


localrules:
    study_results,


rule study:
    output:
        temp(touch(f"{PLAN.folder}/.study-seed{{seed}}-{{call}}")),
    threads: 1
    params:
        of=STUDY,
    message:
        "seed {wildcards.seed} of the study"
    shell:
        "python -m dbb.study seed {wildcards.seed} {params.of}"


rule study_choices:
    output:
        temp(touch(f"{PLAN.folder}/.study-choices-{{call}}")),
    threads: 1
    params:
        of=STUDY,
    message:
        "the study's choices"
    shell:
        "python -m dbb.study choices {params.of}"


rule study_results:
    input:
        f"{PLAN.folder}/.study-choices-{CALL}",
        expand(f"{PLAN.folder}/.study-seed{{seed}}-{CALL}", seed=SEEDS),
    params:
        of=STUDY,
    message:
        f"{PLAN.results}/{PLAN.benchmark.name}/"
    shell:
        "python -m dbb.study collect {params.of}"

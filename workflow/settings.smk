# What all rules share: the plan that the configuration makes, and which of its pages must be made.

import json
import logging
import os
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path

from plan import GENERATE, Plan
from stage_table import STAGES, TAKES

from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from dbb.store import READINGS, RESULTS

STARTED = datetime.now(UTC).isoformat()
PLAN = Plan(config)
PLANS = (PLAN, *PLAN.others)
CONFIG = shlex.quote(json.dumps(PLAN.config))
# Snakemake sets OMP_NUM_THREADS from this, and torch obeys; a cluster has no cores here.
THREADS = workflow.cores or 8

# Whether a page stands is told by what it was made from, and not by times, which a ZIP or a checkout sets as it likes.
# Snakemake knows times alone, so they are set to say the same: pages that stand are as new as one another, those that
# must be made are old, and have one more input, the mark, which is new. A page that turns out to stand when its turn
# comes, since the stage before it was made again with the same products, stays as it is; so outputs are an `update`,
# which Snakemake does not remove beforehand. The jobs of a cluster parse this too, and are told what to make.
MARK = f"{PLAN.folder}/.to-make"
STANDING = {path: stands for plan in PLANS if workflow.is_main_process for path, stands in plan.standing().items()}
LONG_AGO = 1  # second of 1970; a time of 0 is none to Snakemake

if workflow.is_main_process:
    now = time.time()
    for path in filter(os.path.exists, STANDING):
        os.utime(path, (now, now) if STANDING[path] else (LONG_AGO, LONG_AGO))
    Path(MARK).parent.mkdir(parents=True, exist_ok=True)
    Path(MARK).write_text(STARTED)  # other bytes each time: an input with the bytes of last time would not count as new


def due(path):
    """The mark, where the page at ``path`` must be made."""
    return lambda wildcards: [] if STANDING.get(path.format(**wildcards), True) else [MARK]


def rule_name(plan, notebook):
    """A stage's rule bears its name, the thread's alone."""
    name = STAGES.get(notebook, "results" if notebook == RESULTS else notebook)
    return (name if plan is PLAN else f"{plan.benchmark.name}_{name}").replace("-", "_")


def handed(plan, notebook):
    """A page's parameters, as page.py takes them."""

    def options(wildcards):
        seed, shard = (int(getattr(wildcards, name, 0)) for name in ("seed", "shard"))
        part = shard if "shard" in wildcards.keys() else None
        return shlex.quote(json.dumps(plan.parameters(notebook, seed, part)))

    return options


def place(plan, notebook):
    """Which page of how many it is, as page.py takes it."""
    return lambda wildcards: shlex.quote(
        plan.place(notebook, int(wildcards.seed) if "seed" in wildcards.keys() else None)
    )


def told(*keys):
    """What a command that makes no page is told: benchmark, folders, and ``keys`` of the configuration."""
    given = [f"--{key} {PLAN.config[key]}" for key in keys if key in PLAN.config]
    benchmark = shlex.quote(PLAN.config["benchmark"])
    return " ".join(["--benchmark", benchmark, "--runs", PLAN.runs, "--results", PLAN.results, *given])


def device(plan, notebook):
    """Where it computes: a resource and no parameter, so that another device makes nothing anew."""
    given = plan.config.get("device") if notebook in TAKES else None
    return f"--device {given}" if given else ""


def shard_pages(plan):
    """What the page of generation waits for, unless it stands already."""

    def pages(wildcards):
        if STANDING.get(plan.path(GENERATE, wildcards.seed)):
            return []
        return [plan.path(GENERATE, wildcards.seed, shard) for shard in plan.shard_numbers]

    return pages


# Asked to be quiet about its jobs, Snakemake still tells how it selects and starts each of them; the pages tell what
# they do, and errors remain.
if Quietness.RULES in (workflow.output_settings.quiet or ()):
    logger.addFilter(lambda record: record.levelno >= logging.WARNING)


wildcard_constraints:
    seed=r"\d+",
    shard=r"\d+",

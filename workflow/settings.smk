# What all rules share: the plan that the configuration makes, and which of its pages must be made.

import json
import os
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path

from plan import GENERATE, Plan
from stage_table import READS, STAGES, TAKES

from dbb.store import READINGS, RESULTS

STARTED = datetime.now(UTC).isoformat()
PLAN = Plan(config)
CONFIG = shlex.quote(json.dumps(PLAN.config))
THREADS = workflow.cores or 8  # Snakemake sets OMP_NUM_THREADS from this, and torch obeys; a cluster has no cores here

# Whether a page stands is told by what it was made from, and not by times, which a ZIP or a checkout sets as it likes.
# Snakemake knows times alone, so they are set to say the same: pages that stand are as new as one another, those that
# must be made are old, and have one more input, the mark, which is new. A page that turns out to stand when its turn
# comes, since the stage before it was made again with the same products, stays as it is; so outputs are an `update`,
# which Snakemake does not remove beforehand. The jobs of a cluster parse this too, and are told what to make.
MARK = f"{PLAN.folder}/.to-make"
STANDING = PLAN.standing() if workflow.is_main_process else {}
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


wildcard_constraints:
    seed=r"\d+",
    shard=r"\d+",

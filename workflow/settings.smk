# What all rules share: the plan that the configuration makes, and which of its pages must be made.

import json
import os
import shlex
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
# Snakemake knows times alone, so no page's rule has an input whose time counts (they are `ancient`) but the mark, which
# is as new as this process and an input of the pages that must be made; these are dated back before it. A page that turns
# out to stand when its turn comes, since the stage before it was made again with the same products, stays as it is: an
# output is an `update`, which Snakemake does not remove beforehand. The jobs of a cluster parse this too, and are told
# what to make.
MARK = f"{PLAN.folder}/.to-make"
TO_MAKE = set(PLAN.to_make()) if workflow.is_main_process else None
LONG_AGO = 1  # second of 1970; a time of 0 is none to Snakemake

if TO_MAKE:
    Path(MARK).parent.mkdir(parents=True, exist_ok=True)
    Path(MARK).write_text(STARTED)  # other bytes each time: an input with the bytes of last time would not count as new
    for path in filter(os.path.exists, TO_MAKE):
        os.utime(path, (LONG_AGO, LONG_AGO))


def due(path):
    """The mark, where the page at ``path`` must be made."""
    return lambda wildcards: [MARK] if path.format(**wildcards) in (TO_MAKE or ()) else []


wildcard_constraints:
    seed=r"\d+",
    shard=r"\d+",

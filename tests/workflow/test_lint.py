"""Snakemake's own linter finds nothing but what is answered here."""

import re
import subprocess
import sys
from pathlib import Path

from dbb.store import project_root

ANSWERED = {
    "No log directive defined": "a page tells of itself in a line, and keeps what its cells say; a cluster keeps a log "
    "of each of its jobs",
    "Specify a conda environment or container for each rule.": "all stages share the one environment of "
    "requirements.lock, as notebooks and tests do",
}
"""What it advises, and why it is left."""


def test_the_linter_finds_only_what_is_answered():
    program = Path(sys.executable).with_name("snakemake")
    run = subprocess.run([program, "--lint"], cwd=project_root(), capture_output=True, text=True)
    assert set(re.findall(r"^ +\* (.+):$", run.stderr, re.MULTILINE)) == set(ANSWERED), run.stderr

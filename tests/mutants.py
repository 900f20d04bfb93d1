"""How many planted faults each module's own tests see: python tests/mutants.py [module ...], by default all of `OWN`.

mutmut plants them, one at a time, in a copy in `mutants/`; each is tried on the module's own test files alone, so that
a fault is seen where a reader looks for its test. What is left out is told by [tool.mutmut] in pyproject.toml. Of the
method's modules, stages/data, run and all are not counted: they are files and glue, which tests/stages/test_stages.py
and test_run.py see over whole runs.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

STAGES = (
    "selection",
    "inversion",
    "tokens",
    "generation",
    "painting",
    "generated",
    "pruning",
    "retraining",
    "erm",
    "masks",
    "mask_table",
    "manifest",
    "outputs",
)
TRAINING = ("examples", "loop", "optimisers", "precision", "resume", "sampling", "selection")

OWN = {
    "metrics": ["tests/test_metrics.py"],
    "statistics": ["tests/test_statistics.py"],
    "transforms": ["tests/test_transforms.py"],
    **{f"stages/{name}": [f"tests/stages/test_{name}.py"] for name in STAGES},
    **{f"training/{name}": [f"tests/training/test_{name}.py"] for name in TRAINING},
}
"""Module of the package -> the tests that should see its faults."""

SEEN = ("killed", "timeout", "segfault")


def plant(module: str) -> None:
    """Run mutmut on one module; its own files hold what came out."""
    from mutmut.__main__ import _run
    from mutmut.configuration import config

    config().only_mutate = [f"dbb/{module}.py"]
    config().pytest_add_cli_args_test_selection = OWN[module]
    _run((), 1)


def outcomes(module: str) -> dict[str, str]:
    """Return mutant -> "killed", "survived", "timeout", "no tests", ..."""
    from mutmut.stats import status_by_exit_code

    found = json.loads(Path(f"mutants/dbb/{module}.py.meta").read_text(encoding="utf-8"))
    return {name: status_by_exit_code[code] for name, code in found["exit_code_by_key"].items()}


def main(modules: list[str]) -> None:
    """Print each module's score, and every fault that its tests did not see."""
    for module in modules or OWN:
        shutil.rmtree("mutants", ignore_errors=True)
        done = subprocess.run([sys.executable, __file__, "--plant", module], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout[-5000:]}\n{module}: its tests fail as they are, or mutmut does")
        found = outcomes(module)
        unseen = [name for name, outcome in found.items() if outcome not in SEEN]
        for name in unseen:
            print(subprocess.run(["mutmut", "show", name], capture_output=True, text=True, check=True).stdout)
        print(f"{module}: {len(found) - len(unseen)} of {len(found)} seen, {dict(Counter(found.values()))}", flush=True)


if __name__ == "__main__":
    plant(sys.argv[2]) if sys.argv[1:2] == ["--plant"] else main(sys.argv[1:])

"""Make or load the stages of a run without notebooks: ``python -m dbb.stages --benchmark mini-waterbirds --seed 3``."""

import argparse
import sys

from dbb.errors import InputError
from dbb.progress import show_lines
from dbb.stages.all import STAGES, make_stages
from dbb.stages.run import open_run


def main() -> None:
    """Parse the command line, make or load the stages in order, and say of each which it was."""
    parser = argparse.ArgumentParser(prog="python -m dbb.stages", description=__doc__)
    parser.add_argument("--benchmark", default="mini-waterbirds", help="its name, or the path of your own .yml")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", default="runs", help="folder of all runs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--memory", type=int, help="GiB of the GPU to fit: 16, 40 or 80")
    parser.add_argument("--classifier", help="its backbone, in place of the benchmark's own")
    parser.add_argument("--inpainting", help="the pipeline, in place of the benchmark's own")
    parser.add_argument("--segmenter", help="the segmenter, in place of the benchmark's own")
    parser.add_argument("--to", choices=STAGES, default=tuple(STAGES)[-1], help="the last stage to make")
    given = parser.parse_args()
    show_lines()
    try:
        models = {name: getattr(given, name) for name in ("classifier", "inpainting", "segmenter")}
        run = open_run(given.benchmark, given.seed, given.runs, given.device, given.memory, **models)
        for made in make_stages(run, given.to):
            print(made, flush=True)
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

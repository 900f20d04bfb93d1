"""Brings the book's pictures and headline table to README.md: ``python book/tools/readme.py``.

The pictures are those that the results chapter glued as ``headline_figure`` and ``pipeline_figure``; they become
book/headline.png and book/pipeline.png, which the first page shows too. The numbers come from book/runs.json and are
put between two comments of README.md.
"""

import base64
import json
import re
import sys
from pathlib import Path

from markdown_tables import markdown_table
from study import study_summary

from dbb.benchmarks import get_benchmark
from dbb.tables import accuracy_table

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = ROOT / "book" / "chapters" / "08-results.ipynb"
PICTURES = ("headline", "pipeline")
RESULTS = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)


def glued_png(chapter: Path, key: str) -> bytes:
    """Return the PNG that a chapter glued under ``key``; exits with a message when there is none."""
    for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("scrapbook", {}).get("name") == key:
                png = [data for mime, data in output["data"].items() if mime.endswith("image/png")]
                return base64.b64decode("".join(png[0]))
    sys.exit(f"{chapter} glues no picture as {key!r}")


def results(runs: list[dict]) -> str:
    """Return the test accuracies of the runs before and after, in Markdown."""
    by_stage = {run["stage"]: run for run in runs}
    benchmark = get_benchmark(by_stage["erm"]["parameters"]["benchmark"])
    measured = {"ERM": by_stage["erm"]["metrics"]["test"], "DBB": by_stage["retrained"]["metrics"]["test"]}
    table = accuracy_table(measured, benchmark.group_names)
    rows = [
        [name, f"{row['ERM']:.1%}", f"{row['DBB']:.1%}", f"{row['change']:+.1f}"] for name, row in table.iterrows()
    ]
    seed = by_stage["erm"]["seed"]
    caption = f"Test accuracy on {benchmark.title}, measured by the run in the book (seed {seed}); change in points."
    return f"{caption}\n\n{markdown_table(['', 'ERM', 'DBB', 'change'], rows)}\n"


def whole_text(runs: list[dict]) -> str:
    """Return all that stands between the two comments: the run in the book, and the study."""
    return f"{results(runs)}\n{study_summary(ROOT / 'results')}"


def with_results(readme: str, text: str) -> str:
    """Return README.md with ``text`` between its two comments."""
    return RESULTS.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", readme)


if __name__ == "__main__":
    for name in PICTURES:
        (ROOT / "book" / f"{name}.png").write_bytes(glued_png(CHAPTER, f"{name}_figure"))
    runs = json.loads((ROOT / "book" / "runs.json").read_text(encoding="utf-8"))
    readme = ROOT / "README.md"
    readme.write_text(with_results(readme.read_text(encoding="utf-8"), whole_text(runs)), encoding="utf-8")

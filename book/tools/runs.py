"""The record of the runs behind the book.

``python book/tools/runs.py collect RUN_JSON... > book/runs.json`` gathers the stages' records;
``python book/tools/runs.py`` prints, from book/runs.json, where the book is and what each stage took.
"""

import json
import sys
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1]


def collect(paths: list[str]) -> list[dict]:
    """Return the stages' run.json contents, in order."""
    return [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]


def report(runs: list[dict]) -> str:
    """Return a table of seconds per stage, with their sum."""
    lines = [f"{run['stage']:<12}{run['wall_s']:8.1f} s" for run in runs]
    return "\n".join([*lines, f"{'together':<12}{sum(run['wall_s'] for run in runs):8.1f} s"])


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["collect"]:
        json.dump(collect(arguments[1:]), sys.stdout, indent=1)
        print()
        return
    print(report(json.loads((BOOK / "runs.json").read_text(encoding="utf-8"))))
    print(f"\nThe book: {BOOK / '_build' / 'html' / 'index.html'}")


if __name__ == "__main__":
    main(sys.argv[1:])

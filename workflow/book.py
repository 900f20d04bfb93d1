"""Build the book of one run: ``python workflow/book.py --config '{...}' --since TIME``.

The book is book/ with this run's pages for chapters, its records and its two pictures, put together below the run's
folder, so that nothing in the repository is rewritten. In the end it says what was made since TIME, and what was found.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from chapter import chapter_text
from notebook_cells import PICTURES, glued_png
from page import read_record
from plan import Plan
from records import Records, book_records, headline, shown_records
from watch import watched

from dbb.errors import InputError
from dbb.record import digest_of, file_digest
from dbb.store import RESULTS, project_root, read_json, resolve, write_json

LEFT_OUT = ("_build", "_generated", "_ext")
"""Folders of book/ that are not its content."""


def assemble(plan: Plan, target: Path) -> None:
    """Make ``target`` the source of this run's book. A file that would not change is left alone, so that Sphinx reads
    only what is new.
    """
    root, pages = project_root(), plan.chapters()
    book = root / "book"
    content = {path.relative_to(book): path.read_bytes() for path in _files(book)}
    for name, page in pages.items():
        content[Path("chapters", f"{name}.ipynb")] = chapter_text(root / page.source, page.path).encode()
    content[Path("runs.json")] = json.dumps(shown_records(plan), indent=1).encode()
    for name in PICTURES:
        try:
            content[Path(f"{name}.png")] = glued_png(pages[RESULTS].path, f"{name}_figure")
        except InputError:
            continue  # nothing was kept that could be shown: the page shows the committed one
    _put_beside(target, root / "data")
    for path in _files(target):
        if path.relative_to(target) not in content:
            path.unlink()
    for inside, data in content.items():
        _put(target / inside, data)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in LEFT_OUT]


def _put_beside(target: Path, folder: Path) -> None:
    """Let ``../data``, by which pages include files of the project, lead there from the copy as it does from book/."""
    target.mkdir(parents=True, exist_ok=True)
    link = target.parent / folder.name
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(folder, target_is_directory=True)


def _put(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def build(source: Path, target: Path) -> bool:
    """Build the book in ``source`` below ``target``, warnings being errors, unless it stands; return whether it was
    built.
    """
    record, made_from = target / "made-from.json", _made_from(source)
    index = target / "_build" / "html" / "index.html"
    if index.is_file() and record.is_file() and read_json(record) == made_from:
        return False
    record.unlink(missing_ok=True)
    program = Path(sys.executable).with_name("jupyter-book")
    with watched("the book"):
        subprocess.run(
            [
                program,
                "build",
                source,
                "--config",
                "_config.yml",
                "--toc",
                "_toc.yml",
                "--path-output",
                target,
                "-W",
                "-n",
                "--keep-going",
                "--quiet",
            ],
            cwd=project_root(),
            check=True,
            stdout=subprocess.DEVNULL,
        )  # where the pages are, three times; warnings go to stderr
    write_json(record, made_from)
    return True


def _made_from(source: Path) -> dict[str, str]:
    """Digests of what a book is built from: its content, its configuration, and what its extension reads."""
    root = project_root()
    read = [
        *_files(source),
        root / "_config.yml",
        root / "_toc.yml",
        *(root / "book" / "_ext").glob("*.py"),
        *(root / "notebooks").glob("*.ipynb"),
    ]
    parts = {
        "book": read,
        "package": (root / "dbb").rglob("*.py"),
        "results": (path for path in (root / "results").rglob("*") if path.is_file()),
    }
    return {
        part: digest_of([[str(path), file_digest(path)] for path in sorted(paths)]) for part, paths in parts.items()
    }


# ------------------------------------------------------------------------------------------------ what became of it


def report(plan: Plan, since: datetime, built: bool, index: Path) -> str:
    """Return which pages and stages were made since a time, each run's numbers, and where the book is."""
    committed = read_json(project_root() / "book" / "runs.json")
    pages = {
        f"{of.benchmark.name} {name}" if of.chapter else name: read_record(page.path)
        for of in (plan, *plan.others)
        for name, page in of.pages(plan.seed).items()
    }
    made = {
        name: record["seconds"]
        for name, record in pages.items()
        if record is not None and datetime.fromisoformat(record["made"]) >= since
    }
    return "\n".join(
        [
            "",
            _pages_line(made, len(pages)),
            "",
            *(
                _run_told(benchmark, records, committed.get(benchmark, ()), since)
                for benchmark, records in book_records(plan).items()
            ),
            f"The book, {'built now' if built else 'found as it is'}: {index}",
        ]
    )


def _pages_line(made: dict[str, float], n_pages: int) -> str:
    if not made:
        return f"All {n_pages} pages were found as they are: nothing was computed."
    told = ", ".join(f"{name} ({seconds:.0f} s)" for name, seconds in made.items())
    return f"Pages made: {told}. Found as they are: {n_pages - len(made)}."


def _run_told(benchmark: str, records: Records, committed: Records, since: datetime) -> str:
    stages = "\n".join(_stage_line(record, since) for record in records)
    return f"{benchmark}, its stages\n{stages}\n\n{headline(records, committed)}\n"


def _stage_line(record: Mapping[str, Any], since: datetime) -> str:
    new = datetime.fromisoformat(record["started"]) >= since.replace(microsecond=0)
    when = "made now" if new else f"found, made on {record['started'][:10]}"
    return f"  {record['stage']:<12}{record['wall_s']:8.1f} s   {when}"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=json.loads, required=True, help="as workflow/config.yml, in JSON")
    parser.add_argument("--since", type=datetime.fromisoformat, required=True, help="when the work began")
    given = parser.parse_args()
    plan = Plan(given.config)
    folder = resolve(plan.folder) / f"seed{plan.seed}" / "book"
    assemble(plan, folder / "source")
    try:
        built = build(folder / "source", folder)
    except subprocess.CalledProcessError:
        sys.exit("the book has warnings, above, and so was not built")
    print(report(plan, given.since, built, folder / "_build" / "html" / "index.html"))


if __name__ == "__main__":
    main()

"""Bring a run's pages to book/ and its numbers to README.md: ``python workflow/publish.py --config '{...}'``.

Nothing else writes what the repository holds of a run: `make book` leaves a checkout as it was.
"""

import argparse
import json

from chapter import chapter_text, check_chapter
from notebook_cells import PICTURES, glued_png
from plan import Plan
from readme import whole_text, with_results
from records import shown_records

from dbb.store import RESULTS, project_root, resolve, write_json


def publish(plan: Plan) -> None:
    """Write book/chapters, book/runs.json, the book's two pictures and the table in README.md.

    Raises InputError when a page is missing, too large, or names a path of this machine; nothing is written then.
    """
    root, pages = project_root(), plan.chapters()
    book = root / "book"
    chapters = {name: chapter_text(root / page.source, page.path) for name, page in pages.items()}
    for name, text in chapters.items():
        check_chapter(text, pages[name].path)
    records = shown_records(plan)
    pictures = {name: glued_png(pages[RESULTS].path, f"{name}_figure") for name in PICTURES}
    for name, text in chapters.items():
        (book / "chapters" / f"{name}.ipynb").write_text(text, encoding="utf-8")
    for name, png in pictures.items():
        (book / f"{name}.png").write_bytes(png)
    write_json(book / "runs.json", records)
    readme = root / "README.md"
    told = whole_text(records[plan.benchmark.name], plan.benchmark, resolve(plan.results))
    text = with_results(readme.read_text(encoding="utf-8"), told)
    readme.write_text(text, encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=json.loads, required=True, help="as workflow/config.yml, in JSON")
    publish(Plan(parser.parse_args().config))
    print("written: book/chapters, book/runs.json, book/headline.png, book/pipeline.png, the table in README.md")


if __name__ == "__main__":
    main()

"""A Sphinx extension: writes the parts of pages that are made from files, and insists on alt texts.

Before the book is read, its folder ``_generated/`` receives the parameter tables (from the notebooks), the runs behind
the book (from runs.json), the published numbers (from reported.yml), the study in a few rows (from results/) and the
list of modules (from the package). Pages include them, so no number is typed twice. The book may be a copy of book/
with the chapters and the runs.json of another run; the notebooks and results/ are the project's.
"""

import json
import pkgutil
from pathlib import Path
from typing import Any

import yaml
from costs import cost_pages
from docutils import nodes
from paper_tables import paper_pages
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

import dbb
from dbb.notebook import parameter_table
from dbb.report.markdown import markdown_table
from dbb.store import project_root
from dbb.study.summary import study_summary

logger = logging.getLogger(__name__)


def parameters_page(notebooks: list[Path]) -> str:
    """Return one table of parameters per notebook."""
    parts = []
    for path in notebooks:
        table = parameter_table(path)
        rows = [[f"`{r['name']}`", f"`{r['type']}`", f"`{r['default']}`", r["meaning"]] for r in table]
        parts += [f"## {path.name}", markdown_table(["parameter", "type", "default", "meaning"], rows)]
    return "\n\n".join(parts) + "\n"


def runs_page(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Return tables of the stages' durations, a run's each, of the package versions and of the machine.

    runs: benchmark -> its records.
    """
    columns = ["stage", "seconds", "peak memory (MB)", "date"]
    durations = []
    for benchmark, records in runs.items():
        stages = [[r["stage"], f"{r['wall_s']:.1f}", f"{r['peak_memory_mb']:.0f}", r["started"][:10]] for r in records]
        total = ["**together**", f"**{sum(r['wall_s'] for r in records):.1f}**", "", ""]
        durations += [f"### {benchmark}", markdown_table(columns, [*stages, total])]
    every = [record for records in runs.values() for record in records]
    versions = {name: version for record in every for name, version in record["versions"].items()}
    machine = [
        [key, ", ".join(sorted({str(r[key]) for r in every if key in r}))] for key in ("device", "threads", "seed")
    ]
    return "\n\n".join(
        [
            "## Durations",
            *durations,
            "## Machine",
            markdown_table(["", ""], machine),
            "## Versions",
            markdown_table(["package", "version"], [[f"`{name}`", v] for name, v in versions.items()]),
        ]
    )


def reported_page(tables: dict[str, Any]) -> str:
    """Return the published tables of reported.yml, each with its source."""
    parts = []
    for table in tables.values():
        parts += [f"**{table['title']}** {table['note']}", markdown_table(table["columns"], table["rows"])]
    return "\n\n".join(parts) + "\n"


def api_page() -> str:
    """Return a section with the documentation of every module of the package."""
    names = sorted(m.name for m in pkgutil.walk_packages(dbb.__path__, "dbb."))
    section = "## `{0}`\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n```\n"
    return "\n".join(section.format(name) for name in names if not name.endswith("__main__"))


def generated_parts(book: Path) -> dict[str, bytes]:
    """Return file name -> content of ``_generated/``, for the book in the folder ``book``."""
    project = project_root()
    runs = json.loads((book / "runs.json").read_text(encoding="utf-8"))
    reported = yaml.safe_load((book / "reported.yml").read_text(encoding="utf-8"))
    return {
        "parameters.md": parameters_page(sorted((project / "notebooks").glob("*.ipynb"))).encode(),
        "runs.md": runs_page(runs).encode(),
        "reported.md": reported_page(reported).encode(),
        **paper_pages(reported, project / "results"),
        **cost_pages(project / "results", reported),
        "api.md": api_page().encode(),
        "study.md": study_summary(project / "results").encode(),
    }


def write_generated(app: Sphinx) -> None:
    """Write ``_generated/``; a file that would not change is left alone, so that Sphinx skips it."""
    folder = Path(app.srcdir) / "_generated"
    folder.mkdir(exist_ok=True)
    for name, content in generated_parts(Path(app.srcdir)).items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


def find_toc(app: Sphinx, config: Config) -> None:
    """Read the path that --toc gives from the working directory, as Jupyter Book does when it checks it; Sphinx would
    look for it in the book's folder.
    """
    config["external_toc_path"] = str(Path(config["external_toc_path"]).resolve())


class RequireAltText(SphinxPostTransform):
    """Warn (an error under -W) about an image that a reader who cannot see it would miss."""

    default_priority = 900

    def run(self, **kwargs: object) -> None:
        for image in self.document.findall(nodes.image):
            if not image.get("alt"):
                logger.warning("image without alt text", location=image)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", find_toc)
    app.connect("builder-inited", write_generated)
    app.add_post_transform(RequireAltText)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The commands that pages, their generated parts, what modules say of themselves on the page of the API, data cards,
notebooks' prose and comments tell a person to type, and that CI types.
"""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache

from pages import generated_parts

from dbb.store import project_root

MODULES = "dbb/**/*.py"
PAGES = ("*.md", "book/*.md", "data/*/README.md", "notebooks/*.ipynb")
COMMENTS = ("Snakefile", "environment.yml", "workflow/config.yml", "profiles/*/*")
CI = (".ci/run", ".github/workflows/*.yml")
SHELL = ("sh", "bash", "console")

PROGRAMS = (
    "make|snakemake|papermill|python3?|pip|conda|hf|jupyter|jupyter-book|pytest|pre-commit|mutmut|uv|ls|export"
    "|kubectl|sbatch|docker"
)
"""What a command begins with where it stands among words; in a block every line is one."""

FENCE = re.compile(r"^(`{3,})(\S*)[^\n]*\n(.*?)^\1`*$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(rf"`((?:{PROGRAMS})\s[^`]+)`")
COMMENT = re.compile(rf"^#\s+((?:\w+=\S+ )*(?:{PROGRAMS})\s.*?)(?:\s{{3,}}.*)?$", re.MULTILINE)
TARGET = re.compile(r"^\s*(?:- run: )?(make [\w.-]+)$", re.MULTILINE)


def blocks() -> dict[tuple[str, str], str]:
    """Return (where it stands, its first line) -> text, of every block that is neither shell nor a directive."""
    return {
        (name, body.splitlines()[0]): body
        for name, language, body in _fenced()
        if language not in SHELL and not language.startswith("{")
    }


def commands() -> dict[str, str]:
    """Return command, in one line and without its comment -> where it stands first."""
    found: dict[str, str] = {}
    for name, language, body in _fenced():
        lines = re.sub(r"\\\n\s*", "", body).splitlines() if language in SHELL else []
        found = {_told(line): name for line in lines if _told(line)} | found
    for name, text in _pages():
        found = {" ".join(command.split()): name for command in INLINE.findall(FENCE.sub("", text))} | found
    for name, text in _files(COMMENTS):
        found = {_told(command): name for command in COMMENT.findall(text)} | found
    for name, text in _files(CI):
        found = {command: name for command in TARGET.findall(text)} | found
    return found


def _told(line: str) -> str:
    return re.split(r"\s+#\s|^#", line)[0].strip()


def _fenced() -> Iterator[tuple[str, str, str]]:
    for name, text in _pages():
        yield from ((name, language, body) for _, language, body in FENCE.findall(text))


def _pages() -> Iterator[tuple[str, str]]:
    for name, text in _files(PAGES):
        if name.endswith(".ipynb"):
            cells = json.loads(text)["cells"]
            text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        yield name, text
    yield from _generated()


@cache
def _generated() -> list[tuple[str, str]]:
    parts = generated_parts(project_root() / "book")
    modules = ((name, text) for name, text in _files((MODULES,)) if not name.endswith("__main__.py"))
    docstrings = [(name, ast.get_docstring(ast.parse(text)) or "") for name, text in modules]
    return docstrings + [(f"book/_generated/{name}", content.decode()) for name, content in parts.items()]


def _files(patterns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    root = project_root()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")

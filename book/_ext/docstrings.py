"""A Sphinx extension: reads the package's docstrings as the plain prose they are.

They are written for people at a keyboard: `name: what it is` lines, continued with or without an indent, and
formulas with bars and stars, which reStructuredText would take for markup. Here each such line becomes an item
of a list, and the rest is escaped. A paragraph with markup of its own (a directive, a list, an indented block) is
left alone.
"""

import inspect
import re

from sphinx.application import Sphinx

ITEM = re.compile(r"`*(\w[\w.]*(?:, \w[\w.]*)*)`*: (.*)")
SENTENCE = re.compile(r"(Raises|Returns|Yields|Exits) ")
CODE = re.compile(r"(``.+?``|:[\w:]+:`[^`]+`)")


def escape(text: str) -> str:
    """Return prose with every mark that is not code escaped; `x` becomes code."""
    text = re.sub(r"(?<![`:])`([^`]+)`(?!`)", r"``\1``", text)
    parts = CODE.split(text)
    parts[::2] = [re.sub(r"([*|\\])|_(?=\W|$)", r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def prose(paragraph: list[str]) -> list[str]:
    """Return one paragraph as reStructuredText."""
    if paragraph[0].startswith((" ", "..", "- ", "* ", ":")) or paragraph[-1].endswith("::"):
        return [*paragraph, ""]
    blocks: list[str] = []
    for line in map(str.strip, paragraph):
        item = ITEM.match(line)
        if item and (not blocks or blocks[-1].endswith((".", ";"))):
            blocks.append(f"- ``{item[1]}``: {item[2]}")
        elif not blocks or SENTENCE.match(line):
            blocks.append(line)
        else:
            blocks[-1] += " " + line
    return [line for block in blocks for line in (escape(block), "")]


def process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Rewrite a docstring in place, as `autodoc-process-docstring` asks."""
    paragraphs = [p.split("\n") for p in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")) if p.strip()]
    lines[:] = [line for paragraph in paragraphs for line in prose(paragraph)]


def skip_foreign(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out methods that another package put into our classes (matplotlib gives a Figure its own `set`)."""
    foreign = inspect.isroutine(obj) and not (getattr(obj, "__module__", None) or "dbb").startswith("dbb")
    return True if foreign else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-skip-member", skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

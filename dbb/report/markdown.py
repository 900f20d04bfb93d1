"""Tables in Markdown, for README.md and the pages of the book that are made from files."""

from collections.abc import Sequence


def markdown_table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    escaped = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)

"""Relative links of the files that are read in the repository lead somewhere; Sphinx sees to those of the book."""

import re

import pytest

from dbb.store import project_root

ROOT = project_root()
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("data/*/README.md")))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")


def lost_links(path) -> list[str]:
    """The links of a Markdown file whose file, or whose heading in it, is not there."""
    lost = []
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            lost.append(link)
    return lost


def anchors(path) -> set[str]:
    """The anchors that GitHub gives the headings of a file."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", FILES)
def test_every_link_leads_somewhere(name):
    assert lost_links(ROOT / name) == []


def test_a_lost_link_is_seen(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(
        "# One way, *two* ends\n[a](b.md) [b](a.md) [c](#one-way-two-ends) [d](a.md#no) [e](https://x.org/b)\n"
        "![picture](c.png)\n"
    )
    assert lost_links(path) == ["b.md", "a.md#no", "c.png"]

"""The sentences of the book, as a reader meets them: the notebooks' Markdown, the captions and alternative texts of
their figures, book/*.md and README.md.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from dbb.store import project_root

ROOT = project_root()

CLAIM = re.compile(
    r"""\b(
    (high|low)est(?!\ loss) | higher | lower | better | worse | larger | smaller | faster | slower | softer
  | fewer | closer | farther | (more|less)\ (often|than|likely) | at\ (least|most)
  | as\ (good|well|much|many|high|low)\ as
  | rises? | rose | risen | falls? | fell(?=\ (by|to|from|below)) | gains? | gained | loses? | improves? | lifts?
  | raises? | pays? | costs | nearly | hardly | rarely | seldom | mostly | most\ (of|are) | usually | (?<!how\ )often
  | in\ every\ (seed|run|class|group) | close\ to | (?<!how\ )(?<!so\ )(?<!as\ )far | alike | same\ (height|number\ up)
  | beyond | (by|than|to|below|above)\ chance | told\ from | cannot\ tell | tells?\ (them|the\ classes)\ apart
  | stands?\ (\w+\ )?(above|below|close|near|high|low) | within\ half | (above|below)\ \d | leaves?\ (out\ )?(0|room)
  | (no|a)\ shortcut | bottleneck | harm | matters | enough | (it|bound)\ decides | owed
  | a\ (good|large|small)\ part | much\ of
  | beats? | outperforms? | surpass\w* | exceeds? | doubles? | superior | inferior | stronger | weaker
  | increases? | decreases? | climbs? | drops\ by | no\ difference | significant\w* | makes?\ no
  | (are|is)\ equal | half\ as | helps?\ (the|more|little|nothing) | [\d.]+\ percent
  | points\ (above|below|more|less|apart|to) | [\d.]+\ ?%(?!\ interval) | in\ (ten|twenty|a\ hundred)
)(?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)
"""What compares, or sums up what was seen. It is wide on purpose: a definition that it catches is written down once."""


def pages() -> dict[str, str]:
    """Return page, by its path in the project, -> its prose: paragraphs, parted by blank lines."""
    found = {str(path.relative_to(ROOT)): _notebook_prose(path) for path in sorted(ROOT.glob("notebooks/*.ipynb"))}
    written = [*sorted(ROOT.glob("book/*.md")), ROOT / "README.md"]
    return found | {str(path.relative_to(ROOT)): _prose(path.read_text(encoding="utf-8")) for path in written}


def _notebook_prose(path: Path) -> str:
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        shown = cell["metadata"].get("mystnb", {})
        parts.append(
            _prose("".join(cell["source"]))
            if cell["cell_type"] == "markdown"
            else "\n\n".join(
                shown.get(kind, {}).get(what, "") for kind, what in (("figure", "caption"), ("image", "alt"))
            )
        )
    return "\n\n".join(parts)


def _prose(text: str) -> str:
    """``text`` without code blocks and generated parts; the words of a directive stay."""
    text = re.sub(r"<!-- results: .*?<!-- end of results -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^```(?!\{figure\}).*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^\s*([-*] |\d+\. |\|)", r"\n\n\1", text, flags=re.MULTILINE)


def sentences(prose: str) -> Iterator[str]:
    """Yield the sentences of ``prose``, each on one line with single spaces."""
    for paragraph in re.split(r"\n\s*\n", prose):
        yield from (part for part in re.split(r"(?<=[.!?])[*)]*\s+(?=[A-Z“*`(\[{])", one_line(paragraph)) if part)


def one_line(text: str) -> str:
    """Return ``text`` with every run of white space as one space: a quote is found however its lines are broken."""
    return " ".join(text.split())


def claims(prose: str) -> list[str]:
    """Return those sentences of ``prose`` that hold a word of `CLAIM`."""
    return [sentence for sentence in sentences(prose) if CLAIM.search(sentence)]

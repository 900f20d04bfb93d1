"""The book is fresh and small; the notebooks it came from are clean. (It is built in tests/product.)"""

import chapter
import docstrings
import nbformat
import pages
import pytest
import readme
from notebook_cells import PICTURES, cells_digest, glued_png
from sphinx.ext.napoleon import Config, GoogleDocstring

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.store import READINGS, RESULTS, THREAD, project_root, read_json

ROOT = project_root()
BOOK = ROOT / "book"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks_and_a_chapter_of_each():
    assert NOTEBOOKS
    chapters = sorted((BOOK / "chapters").glob("*.ipynb"))
    assert [path.name for path in chapters] == [path.name for path in NOTEBOOKS], "run make publish"


@each_notebook
def test_source_is_clean(path):
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs and cell.execution_count is None for cell in code), "clear its outputs"
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1


@each_notebook
def test_parameters_are_documented_and_checked_at_once(path):
    names = [row["name"] for row in pages.parameter_table(path)]
    code = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    position = next(i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", []))
    common = ["benchmark", "seed", "runs"]
    if path.stem == "01-data":  # data have no seed
        common = ["benchmark", "runs"]
    if path.stem in READINGS:
        common = ["benchmark", "results"]
    assert names[: len(common)] == common
    assert "check_parameters(In, globals())" in code[position + 1].source


@each_notebook
def test_chapter_is_fresh(path):
    made_from = nbformat.read(BOOK / "chapters" / path.name, 4).metadata["source_sha256"]
    assert made_from == cells_digest(nbformat.read(path, 4)), "stale: run make book, then make publish"


def test_readme_shows_the_runs_of_the_book():
    records = read_json(BOOK / "runs.json")[THREAD]
    text = readme.whole_text(records, get_benchmark(THREAD), ROOT / "results")
    assert text in (ROOT / "README.md").read_text(encoding="utf-8"), "run make publish"
    for name in PICTURES:
        picture = glued_png(BOOK / "chapters" / f"{RESULTS}.ipynb", f"{name}_figure")
        assert (BOOK / f"{name}.png").read_bytes() == picture


def test_chapters_are_small():
    sizes = {path.name: path.stat().st_size for path in (BOOK / "chapters").glob("*.ipynb")}
    assert max(sizes.values()) <= chapter.MAX_BYTES, sizes
    assert sum(sizes.values()) <= 10_000_000, sizes


@each_notebook
def test_chapter_shows_no_warning_and_no_error(path):
    for cell in nbformat.read(BOOK / "chapters" / path.name, 4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error" and output.get("name") != "stderr"
            assert "Warning: " not in output.get("text", "")


# The tools that make the chapters


def executed_notebook(**metadata) -> nbformat.NotebookNode:
    """A notebook as papermill leaves it."""
    new = nbformat.v4
    stderr = new.new_output("stream", name="stderr", text="noise")
    stdout = new.new_output("stream", name="stdout", text="42\n")
    times = {"papermill": {"duration": 1.0, "start_time": "2026-01-01"}}
    declared, injected = "seed: int = 0  # s\nname: str = 'a'  # n", '# Parameters\nseed = 0\nname = "a"\n'
    cells = [
        new.new_code_cell(declared, metadata={"tags": ["parameters"], **times}),
        new.new_code_cell(injected, metadata={"tags": ["injected-parameters"]}),
        new.new_code_cell("print(42)", outputs=[stderr, stdout], metadata={"mystnb": {"x": 1}, **times}),
    ]
    return new.new_notebook(cells=cells, metadata={"papermill": {"output_path": "/x"}, **metadata})


def test_cleaning_keeps_outputs_and_drops_what_only_a_machine_cares_about():
    source = executed_notebook()
    cleaned = chapter.clean(executed_notebook(widgets={}), source)
    assert [cell.metadata for cell in cleaned.cells] == [{"tags": ["parameters"]}, {"mystnb": {"x": 1}}]
    assert [output.text for output in cleaned.cells[1].outputs] == ["42\n"]
    assert set(cleaned.metadata) == {"kernelspec", "language_info", "source_sha256"}


def test_cleaning_forgets_where_in_memory_a_table_was():
    data = {"text/html": "<table>", "text/plain": "<Styler at 0x7fea686b9c10>"}
    table = nbformat.v4.new_output("display_data", data)
    notebook = executed_notebook()
    notebook.cells[-1].outputs = [table]
    output = chapter.clean(notebook, notebook).cells[-1].outputs[0]
    assert output.data == {"text/html": "<table>", "text/plain": "<Styler>"}


def test_cleaning_shows_parameters_that_differ_from_the_defaults():
    executed = executed_notebook()
    executed.cells[1].source = "# Parameters\nseed = 3\n"
    assert len(chapter.clean(executed, executed_notebook()).cells) == 3


def test_hash_sees_sources_and_tags_and_not_outputs():
    reference = cells_digest(executed_notebook())
    changed = executed_notebook()
    changed.cells[2].outputs = []
    assert cells_digest(changed) == reference
    changed.cells[2].source += " "
    assert cells_digest(changed) != reference
    tagged = executed_notebook()
    tagged.cells[2].metadata["tags"] = ["hide-input"]
    assert cells_digest(tagged) != reference


def test_a_chapter_over_the_limit_or_naming_this_machine_is_refused(tmp_path):
    source, page = tmp_path / "source.ipynb", tmp_path / "page.ipynb"
    nbformat.write(executed_notebook(), source)
    for text, message in (("x" * chapter.MAX_BYTES, f"over {chapter.MAX_BYTES:,}"), (str(ROOT), "shows the path")):
        executed = executed_notebook()
        executed.cells[2].outputs[1].text = text
        nbformat.write(executed, page)
        with pytest.raises(InputError, match=message):
            chapter.check_chapter(chapter.chapter_text(source, page), page)


@pytest.mark.parametrize("what", ["data", "attribute", "property"])
def test_what_a_constant_says_before_a_colon_is_no_type(what):
    lines = ["Where a token's images come from: the validation split."]
    docstrings.keep_prose(None, what, "X", None, None, lines)
    read = GoogleDocstring(lines, Config(napoleon_use_param=False), what=what, name="X").lines()
    assert [line for line in read if line] == ["..", "Where a token's images come from: the validation split."]


def test_a_functions_docstring_is_left_to_napoleon():
    lines = ["Return it.", "", "Args:", "    n, m: how many."]
    docstrings.keep_prose(None, "function", "f", None, None, lines)
    assert lines == ["Return it.", "", "Args:", "    n, m: how many."]

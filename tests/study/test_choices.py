"""The loss on unseen images: of every candidate's snapshots, and of each set's tokens."""

from dataclasses import replace

import pandas as pd
import pytest

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.models.inpainting import load_inpainting
from dbb.stages.inversion import held_out_loss
from dbb.stages.run import TABLE
from dbb.stages.tokens import candidates
from dbb.study.arms import SET_SIZES
from dbb.study.choices import candidates as candidates_of
from dbb.study.choices import choices
from dbb.study.unseen import unseen_images


def initial_losses(study, vectors=1):
    bm, pipe = study.benchmark, load_inpainting(study.benchmark.inpainting)
    words = [template.format(" ".join(["bird"] * vectors)) for template in bm.templates]
    return {
        name: held_out_loss(pipe, *unseen_images(study, label), words, study.seed)
        for label, name in enumerate(bm.classes)
    }


def test_choices_begin_with_the_initial_word_once_per_vector(study):
    made, bm = choices(study), study.benchmark
    assert not choices(study).new
    table, own = pd.read_parquet(made.folder / TABLE), bm.inversion.learning_rate
    tried = [(1e-2, 1), (own, 2)]
    assert table.groupby(["class", "learning_rate", "vectors"])["step"].apply(list).to_dict() == {
        (name, *setting): [0, 1, 2] for name in bm.classes for setting in tried
    }
    start = table[table["step"] == 0]
    for vectors in (1, 2):
        expected = initial_losses(study, vectors)
        rows = start[start["vectors"] == vectors]
        assert rows["unseen_loss"].tolist() == pytest.approx([expected[name] for name in rows["class"]], rel=1e-6)


def test_every_rate_and_every_number_of_vectors_is_tried():
    own = replace(get_benchmark("mini-waterbirds").inversion, steps=7)
    tried = [(one.learning_rate, one.vectors) for one in candidates_of(own)]
    assert tried == [(1e-2, 1), (own.learning_rate, 2)] and all(one.steps == 7 for one in candidates_of(own))


def test_every_set_of_tokens_is_measured_on_the_same_unseen_images(study):
    expected = initial_losses(study)
    for name, images in {"tokens": 4, "tokens-10": 10, "tokens-40": 40}.items():
        table = pd.read_parquet(study.measured(f"unseen-{name}") / TABLE).set_index("class")
        assert table["unseen_before"].to_dict() == pytest.approx(expected, rel=1e-6)
        assert (table["images"] == images).all() and (table["unseen_after"] != table["unseen_before"]).all()
        assert (table["nearest"].str.count("; ") == 5).all()


def test_no_set_holds_an_unseen_image(study):
    own, val = study.benchmark.inversion, study.split("val")
    largest = candidates(study, 0, replace(own, images=max(SET_SIZES)))
    pixels = unseen_images(study, 0)[0]
    assert len(pixels) == 5, "45 landbirds on water are in validation, and 40 in the largest set"
    held = val.pixels(largest, 64).flatten(1).numpy()
    assert not any((held == one).all(1).any() for one in pixels.flatten(1).numpy())


def test_without_an_unseen_image_choices_are_refused(study, monkeypatch):
    monkeypatch.setattr("dbb.study.unseen.SET_SIZES", (45,))
    assert len(unseen_images(study, 0)[0]) == 0
    bm = study.benchmark
    elsewhere = replace(study, benchmark=replace(bm, inversion=replace(bm.inversion, steps=1)))
    with pytest.raises(InputError, match=r"the sets of the study hold every image of landbird in the val split"):
        choices(elsewhere)

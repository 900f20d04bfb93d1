"""Sets without the painter: what each does to a picture, and what it is labelled with."""

import numpy as np
import pytest
import torch
from three_classes import write_three_classes

from dbb.benchmarks import get_benchmark
from dbb.models.inpainting import load_inpainting
from dbb.models.oracle import load_oracle
from dbb.stages.all import make_stages
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.mask_table import MASKS, load_masks
from dbb.stages.masks import masks
from dbb.stages.retraining import read_all
from dbb.stages.run import Run
from dbb.study.controls import autoencoded, blurred, relabelled, unchanged
from dbb.study.sets import make_set, set_run


def drawn_and_originals(study, name):
    images = read_all(set_run(study, name))
    manifest = read_manifest(set_run(study, name).folder("generated") / MANIFEST)
    sources = study.split("train").subset(manifest.loc[manifest["status"] == "generated", "source_id"])
    return (*(part.pixels(range(len(images)), 64) for part in (images, sources)), images, sources)


def test_blurring_leaves_a_plain_area_alone_and_hides_a_detail():
    plain = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8)
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, 20:44, 20:44] = True
    assert torch.equal(blurred(plain, mask), plain)
    dotted = plain.clone()
    dotted[:, :, 32, 32] = 255
    assert (blurred(dotted, mask).int() - 90).abs().max() <= 2


def test_the_renderer_draws_the_other_class_into_the_same_scene(study):
    drawn, originals, images, sources = drawn_and_originals(study, "renderer")
    assert (images.labels == 1 - sources.labels).all()
    assert np.mean(load_oracle(study.benchmark).judge(drawn).classes == images.labels) >= 0.9
    assert (drawn == originals).float().mean() > 0.6


def test_repeated_originals_are_the_originals(study):
    drawn, originals, images, sources = drawn_and_originals(study, "repeated")
    assert torch.equal(drawn, originals)
    assert (images.labels == sources.labels).all() and (images.groups == sources.groups).all()


def test_autoencoded_originals_keep_label_and_scene(study):
    drawn, originals, images, sources = drawn_and_originals(study, "autoencoded")
    assert (images.labels == sources.labels).all()
    inside = load_masks(study.folder("masks") / MASKS).padded(sources.ids)
    outside = ~inside[:, None].expand_as(drawn)
    assert torch.equal(drawn[outside], originals[outside]) and not torch.equal(drawn, originals)
    pipe = load_inpainting(get_benchmark("mini-waterbirds").inpainting)
    near = (autoencoded(pipe, originals, inside).int() - originals.int()).abs().float()
    assert near[outside].max() == 0 and 0 < near[~outside].mean() < 20


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A run of three classes, up to its masks."""
    folder = tmp_path_factory.mktemp("three")
    run = Run(get_benchmark(str(write_three_classes(folder, "erm: {epochs: 1, batch_size: 16}\n"))), 0, folder / "runs")
    for _ in make_stages(run, "erm"):
        pass
    masks(run)
    return run


def test_with_three_classes_a_source_is_relabelled_as_both_others_and_repeated_once(three):
    rows, once = relabelled(three), unchanged(three)
    pairs = set(zip(rows["source_class"], rows["target_class"], strict=True))
    assert pairs == set(three.benchmark.pairs) and len(rows) == 2 * len(once)
    assert (once["source_class"] == once["target_class"]).all() and once["source_id"].is_unique
    for made in (*make_set(three, "blurred"), *make_set(three, "repeated")):
        manifest = read_manifest(made.folder / MANIFEST)
        found = manifest["status"] == "generated"
        assert found.any() and manifest.loc[found, "file"].is_unique and len(made.record["products"]) == 1 + found.sum()

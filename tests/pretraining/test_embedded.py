"""The embedded models: small, described, loaded by the standard classes, and able to do what they stand in for."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from dbb.benchmarks import get_benchmark
from dbb.models.oracle import NEITHER, load_oracle
from dbb.models.segmenters import load_segmenter
from dbb.pretraining.lessons import LESSONS
from dbb.store import resolve
from dbb.worlds.waterbirds.scenes import LANDBIRDS, PLACES, SPECIES, Scene, render

BENCHMARK = get_benchmark("mini-waterbirds")
SEED = 999_000_000  # beyond every block of `dbb.worlds.base`: scenes that no model has seen


def pixels(scenes):
    """Rendered scenes as uint8 (B, 3, 64, 64)."""
    return torch.from_numpy(np.stack([render(scene)[0] for scene in scenes])).permute(0, 3, 1, 2)


BIRDS = [Scene(species, "brown", place, SEED + i) for i, species in enumerate(SPECIES) for place in PLACES]
EMPTY = [Scene(None, None, place, SEED + i) for i, place in enumerate(PLACES)]


@pytest.mark.parametrize(
    "name",
    [
        *("inpainting", "segmenter", "backbone", "oracle"),
        *(f"worlds/{name}" for name in ("inpainting", "segmenter", "backbone", "oracle-celeba", "oracle-metashift")),
    ],
)
def test_each_model_has_a_card_and_only_safe_weights(name):
    folder = resolve("data/mini") / name
    assert "Figures on held-out scenes" in (folder / "README.md").read_text()
    assert list(folder.rglob("*.safetensors"))
    assert not [path for ending in ("*.bin", "*.pt", "*.pkl", "*.ckpt") for path in folder.rglob(ending)]


def test_no_configuration_names_a_folder_of_the_machine_it_was_made_on():
    for path in resolve("data/mini").rglob("*.json"):
        assert '"/' not in re.sub(r'"/(</w>)?"', "", path.read_text()), path


def test_all_models_together_are_small():
    assert sum(path.stat().st_size for path in resolve("data/mini").rglob("*") if path.is_file()) <= 40e6


def test_the_oracle_knows_every_species_and_an_empty_scene():
    verdict = load_oracle(BENCHMARK).judge(pixels(BIRDS + EMPTY))
    truth = [0 if scene.species in LANDBIRDS else 1 for scene in BIRDS] + [NEITHER] * len(EMPTY)
    assert np.mean(verdict.classes == truth) >= 0.95
    assert np.mean(verdict.species[: len(BIRDS)] == [scene.species for scene in BIRDS]) >= 0.9


def test_a_benchmark_without_an_oracle_has_none():
    assert load_oracle(replace(BENCHMARK, oracle=None)) is None


def test_the_segmenter_finds_the_bird_and_nothing_where_there_is_none():
    segmenter = load_segmenter(BENCHMARK.segmenter, BENCHMARK.masks.threshold)
    truth = np.stack([render(scene)[1] for scene in BIRDS])
    found = np.stack([candidates.masks[0].numpy() for candidates in segmenter.segment(pixels(BIRDS), "bird")])
    overlap = (found & truth).sum((1, 2)) / (found | truth).sum((1, 2))
    assert overlap.mean() >= 0.7
    marked = [candidates.masks.sum().item() for candidates in segmenter.segment(pixels(EMPTY), "bird")]
    assert max(marked) < 0.01 * 64 * 64


def test_the_weights_are_the_listed_ones():
    folder = resolve("data/mini")
    listed = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.safetensors")
    }
    assert found == listed


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.world.name)
def test_the_common_models_find_and_name_what_each_world_shows(lesson):
    """On 64 scenes of a block that no training reads: the class by the world's oracle, the subject by the segmenter,
    and nothing of another world's subject.
    """
    benchmark, world = lesson.judged_by(resolve("data/mini/worlds")), lesson.world
    rendered = world.render_all(world.random_scenes("held-out", 64, 0.0))
    images = torch.from_numpy(rendered.images).permute(0, 3, 1, 2)
    kinds = [getattr(scene, lesson.kind) for scene in rendered.scenes]
    truth = [
        NEITHER if kind is None else next(y for y, of in enumerate(lesson.classes) if kind in of) for kind in kinds
    ]
    assert np.mean(load_oracle(benchmark).judge(images).classes == truth) >= 0.9
    segmenter = load_segmenter(benchmark.segmenter, benchmark.masks.threshold)
    found = [candidates.masks for candidates in segmenter.segment(images, lesson.subject)]
    shown = [k for k, mask in enumerate(rendered.masks) if mask.mean() > 0.02 and len(found[k])]
    masks, there = np.stack([found[k][0].numpy() for k in shown]), rendered.masks[shown]
    assert len(shown) >= 40 and ((masks & there).sum((1, 2)) / (masks | there).sum((1, 2))).mean() >= 0.6
    absent = [candidates.masks.sum().item() for candidates in segmenter.segment(images, lesson.never[0])]
    assert np.mean(np.array(absent) < 0.01 * 64 * 64) >= 0.7  # birds: one in five is taken for hair

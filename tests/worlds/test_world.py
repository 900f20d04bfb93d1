"""The miniature's world: seeds that never meet, captions that never name a class, loose masks that cover the bird."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbb.pretraining.inpainting_masks import loose_mask
from dbb.worlds.base import BLOCKS, render_all, scene_seed
from dbb.worlds.waterbirds.scenes import Scene, render
from dbb.worlds.waterbirds.world import WORDS, WORLD, caption


def test_blocks_share_no_scene():
    seeds = [scene.seed for block in BLOCKS for scene in WORLD.random_scenes(block, 200)]
    assert len(set(seeds)) == len(seeds)


def test_species_colour_and_place_are_independent():
    scenes = WORLD.random_scenes("generative", 6000)
    red = [s.colour == "red" for s in scenes]
    at_lake = [s.place == "lake" for s in scenes]
    assert abs(np.corrcoef(red, at_lake)[0, 1]) < 0.05
    assert np.mean([s.species == "heron" for s in scenes]) == pytest.approx(1 / 12, abs=0.02)


def test_empty_share():
    assert np.mean([s.species is None for s in WORLD.random_scenes("oracle", 2000, 0.2)]) == pytest.approx(
        0.2, abs=0.03
    )


def test_captions_name_no_class_and_use_known_words():
    rng = np.random.default_rng(0)
    for scene in WORLD.random_scenes("generative", 500, 0.2):
        words = caption(scene, rng).split()
        assert set(words) <= set(WORDS)
        assert not {"landbird", "waterbird"} & set(words)


def test_rendering_does_not_depend_on_the_workers():
    scenes = WORLD.random_scenes("held-out", 6)
    assert np.array_equal(render_all(render, scenes, workers=1).images, render_all(render, scenes, workers=2).images)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_loose_mask_covers_the_bird_and_more(seed):
    _, silhouette = render(Scene("heron", "red", "lake", scene_seed("held-out", seed)))
    mask = loose_mask(silhouette, np.random.default_rng(seed))
    assert not (silhouette & ~mask).any()
    assert mask.sum() > 1.2 * silhouette.sum()


def test_an_empty_scene_gets_a_mask_too():
    assert loose_mask(np.zeros((64, 64), bool), np.random.default_rng(1)).any()

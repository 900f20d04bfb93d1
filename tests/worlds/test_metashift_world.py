"""mini-MetaShift's world: attributes that are independent, captions that never name a class, truth that rebuilds."""

from dataclasses import asdict

import numpy as np
import pytest

from dbb.benchmarks.mini_metashift import TRUTH
from dbb.worlds.base import BLOCKS
from dbb.worlds.metashift.breeds import BREEDS, CATS, COATS, DOGS
from dbb.worlds.metashift.scenes import ALONE, BIRD, PLACES, POSES, Scene
from dbb.worlds.metashift.world import WORDS, WORLD, caption, draw_animal

LONGEST_CAPTION = 13  # words; a text encoder of 16 tokens begins and ends each


def test_blocks_share_no_scene():
    seeds = [scene.seed for block in BLOCKS for scene in WORLD.random_scenes(block, 100)]
    assert len(set(seeds)) == len(seeds)


def test_attributes_are_independent_and_uniform():
    scenes = WORLD.random_scenes("generative", 3000)
    dog = [s.breed in DOGS for s in scenes]
    for other in (
        [s.place == "sofa" for s in scenes],
        [s.coat == "ginger" for s in scenes],
        [s.pattern == "striped" for s in scenes],
        [s.pose == "lie" for s in scenes],
    ):
        assert abs(np.corrcoef(dog, other)[0, 1]) < 0.07
    for field, values in (("breed", BREEDS), ("coat", COATS), ("place", PLACES), ("pose", POSES)):
        share = np.mean([getattr(s, field) == list(values)[-1] for s in scenes])
        assert share == pytest.approx(1 / len(values), abs=0.03), field


def test_models_learn_from_single_near_whole_animals():
    for scene in WORLD.random_scenes("backbone", 500):
        assert not scene.far and not scene.hidden and scene.companion == ALONE


def test_empty_share():
    scenes = WORLD.random_scenes("oracle", 2000, 0.2)
    assert np.mean([s.breed is None for s in scenes]) == pytest.approx(0.2, abs=0.03)


def test_a_benchmark_asks_for_breeds_and_places():
    rng = np.random.default_rng(1)
    scenes = [draw_animal(rng, k, list(DOGS), ("bench", "bike")) for k in range(300)]
    assert {s.breed for s in scenes} == set(DOGS)
    assert {s.place for s in scenes} == {"bench", "bike"}
    assert {s.companion for s in scenes} <= {ALONE, BIRD, *DOGS}


def test_captions_name_no_class_and_use_known_words():
    rng = np.random.default_rng(0)
    said = set()
    for scene in WORLD.random_scenes("generative", 800, 0.2):
        words = caption(scene, rng).split()
        assert len(words) <= LONGEST_CAPTION
        said |= set(words)
    assert said == set(WORDS)
    assert not {"cat", "cats", "dog", "dogs"} & said


def test_captions_name_what_the_scene_shows():
    rng = np.random.default_rng(0)
    scene = Scene("angora", "cream", "masked", "lie", "bike", 3)
    captions = [caption(scene, rng) for _ in range(300)]
    others = (set(BREEDS) | set(COATS) | set(PLACES)) - {"angora", "cream", "bike"}
    assert not others & {word for text in captions for word in text.split()}
    assert np.mean(["angora" in text for text in captions]) == pytest.approx(0.86, abs=0.06)
    assert "a photo of a cream masked angora lying by a bike" in captions
    assert any(text.endswith("an animal") or text == "the animal" for text in captions)
    assert not [text for text in captions if f" {text}".count(" a a")]


def test_the_truth_rebuilds_a_scene():
    rng = np.random.default_rng(3)
    for k in range(20):
        scene = draw_animal(rng, k, list(CATS), PLACES)
        row = {name: np.array([asdict(scene)[name]]) for name in TRUTH}
        again = Scene(**{name: column[0].item() for name, column in row.items()}, seed=k)
        assert again == scene
    assert set(TRUTH) == set(asdict(scene)) - {"seed"}


def test_scenes_offer_the_attributes_that_the_world_lists():
    scenes = WORLD.random_scenes("segmenter", 400, 0.1)
    for name, values in WORLD.attributes.items():
        assert {getattr(scene, name) for scene in scenes} == set(values), name

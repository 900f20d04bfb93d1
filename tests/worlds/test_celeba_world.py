"""How portraits are drawn at random and named: what knows the class or the sex, and what does not."""

from collections.abc import Callable

import numpy as np
import pytest

from dbb.worlds.celeba.groups import draw_face
from dbb.worlds.celeba.scenes import SEXES, Scene, render
from dbb.worlds.celeba.world import MOST_WORDS, WORDS, WORLD, caption

COUNT = 800


@pytest.fixture(scope="module")
def groups() -> dict[tuple[bool, bool], list[Scene]]:
    rng = np.random.default_rng(3)
    return {
        (blond, man): [draw_face(rng, seed, blond, man) for seed in range(COUNT)]
        for blond in (False, True)
        for man in (False, True)
    }


def share(scenes: list[Scene], holds: Callable[[Scene], object]) -> float:
    return float(np.mean([bool(holds(scene)) for scene in scenes]))


def test_groups_are_what_they_are_asked_to_be(groups):
    for (blond, man), scenes in groups.items():
        assert all(scene.blond == blond and scene.sex == SEXES[man] for scene in scenes)


@pytest.mark.parametrize("field", ["place", "glasses"])
def test_place_and_glasses_know_neither_class_nor_sex(groups, field):
    for value in WORLD.attributes[field]:
        shares = [
            share(scenes, lambda scene, value=value: getattr(scene, field) == value) for scenes in groups.values()
        ]
        assert max(shares) - min(shares) < 0.06


def test_skin_and_pose_know_neither_class_nor_sex(groups):
    brightness = [np.mean([np.mean(scene.person.skin) for scene in scenes[:100]]) for scenes in groups.values()]
    assert np.ptp(brightness) < 1e-9  # the same seeds, so the same skins


def test_only_men_whose_hair_is_not_blond_are_bald_and_only_men_have_beards(groups):
    for (blond, man), scenes in groups.items():
        bald = share(scenes, lambda scene: scene.style == "bald")
        assert (0.03 < bald < 0.1) if man and not blond else bald == 0
        assert (share(scenes, lambda scene: scene.beard) > 0.4) == man


def test_cuts_go_with_sex_and_not_with_class(groups):
    long = {group: share(scenes, lambda scene: scene.style.startswith("long")) for group, scenes in groups.items()}
    assert min(long[False, False], long[True, False]) > 0.5
    assert max(long[False, True], long[True, True]) < 0.1


def test_blond_hair_is_always_seen(groups):
    for man in (False, True):
        hatted = [scene for scene in groups[True, man] if scene.hat]
        assert len(hatted) > 20
        assert all(render(scene)[1].any() for scene in hatted[:12])


def test_other_hair_is_now_and_then_hidden(groups):
    hidden = [scene for scene in groups[False, True] if scene.hat and scene.shade is None]
    assert len(hidden) > 20
    assert not any(render(scene)[1].any() for scene in hidden[:10])


def test_class_and_sex_are_independent_in_the_world_at_large():
    scenes = WORLD.random_scenes("generative", 2500)
    blond, man = [s.blond for s in scenes], [s.sex == "man" for s in scenes]
    assert abs(np.corrcoef(blond, man)[0, 1]) < 0.05
    assert np.mean(blond) == pytest.approx(0.5, abs=0.03)


def test_empty_portraits_have_no_hair():
    scenes = WORLD.random_scenes("oracle", 1000, 0.2)
    bald = [scene for scene in scenes if scene.style == "bald"]
    assert len(bald) / len(scenes) == pytest.approx(0.22, abs=0.05)
    assert not any(render(scene)[1].any() for scene in bald[:8])


def test_attributes_list_every_value_that_occurs(groups):
    for name, values in WORLD.attributes.items():
        seen = {getattr(scene, name) for scenes in groups.values() for scene in scenes}
        assert seen == set(values), name


def test_captions_are_short_use_known_words_and_name_no_class():
    rng, texts = np.random.default_rng(0), []
    for scene in WORLD.random_scenes("generative", 1000, 0.1):
        words = caption(scene, rng).split()
        assert set(words) <= set(WORDS)
        assert not {"blond", "blonde", "non-blond"} & set(words)
        assert 1 <= len(words) <= MOST_WORDS
        assert scene.sex in words or not set(SEXES) & set(words)
        texts.append(" ".join(words))
    assert set(" ".join(texts).split()) == set(WORDS)


def test_captions_are_true():
    rng = np.random.default_rng(1)
    for scene in WORLD.random_scenes("held-out", 300):
        text = caption(scene, rng)
        assert "glasses" not in text or scene.glasses
        assert "hair" not in text or scene.shade
        assert not any(hat in text.split() for hat in ("cap", "beanie", "fedora") if hat != scene.hat)

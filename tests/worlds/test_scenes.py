"""What the miniature's scenes promise: same bytes, true silhouettes, backgrounds that ignore the bird."""

from dataclasses import replace

import numpy as np
import pytest

from dbb.worlds.waterbirds.scenes import COLOURS, LANDBIRDS, PLACES, SPECIES, Scene, render, render_background

MARGIN = 3


def random_scenes(count: int, seed: int = 7) -> list[Scene]:
    """`count` scenes that go through all species, the rest at random."""
    rng = np.random.default_rng(seed)
    colours, places = rng.choice(COLOURS, count).tolist(), rng.choice(PLACES, count).tolist()
    seeds = rng.integers(10**6, size=count).tolist()
    species = (SPECIES * (count // len(SPECIES) + 1))[:count]
    return [Scene(*fields) for fields in zip(species, colours, places, seeds, strict=True)]


@pytest.fixture(scope="module")
def rendered() -> list[tuple[Scene, np.ndarray, np.ndarray]]:
    return [(scene, *render(scene)) for scene in random_scenes(120)]


def dilate(mask: np.ndarray) -> np.ndarray:
    """The mask and its eight neighbours: anti-aliasing paints a rim of one pixel."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    return np.any([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)


def test_same_scene_same_bytes(rendered):
    for scene, image, mask in rendered[:12]:
        again, mask_again = render(scene)
        assert again.tobytes() == image.tobytes()
        assert mask_again.tobytes() == mask.tobytes()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shapes_and_types(size):
    image, mask = render(Scene("heron", "white", "lake", 3), size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == bool


def test_background_does_not_depend_on_the_bird(rendered):
    for scene, image, mask in rendered[:24]:
        outside = ~dilate(mask)
        empty, nothing = render(replace(scene, species=None))
        assert not nothing.any()
        np.testing.assert_array_equal(empty, render_background(scene.place, scene.seed))
        np.testing.assert_array_equal(image[outside], empty[outside])


def test_pose_depends_on_neither_place_nor_colour():
    scene = Scene("jay", "red", "ocean", 11)
    _, mask = render(scene)
    for changed in (replace(scene, place="bamboo forest"), replace(scene, colour="white")):
        np.testing.assert_array_equal(render(changed)[1], mask)


def test_birds_stay_inside_the_frame(rendered):
    for scene, _, mask in rendered:
        inner = mask[MARGIN:-MARGIN, MARGIN:-MARGIN]
        assert inner.sum() == mask.sum(), scene


def test_birds_are_large_and_equally_so_in_both_classes(rendered):
    areas = np.array([mask.sum() for _, _, mask in rendered])
    on_land = np.array([scene.species in LANDBIRDS for scene, _, _ in rendered])
    assert areas.min() > 280 and areas.max() < 720
    assert abs(areas[on_land].mean() / areas[~on_land].mean() - 1.0) < 0.1


def test_birds_of_every_colour_stand_out():
    """The least visible bird still differs from its background by 24 grey levels on average."""
    for place in PLACES:
        for colour in COLOURS:
            scene = Scene("robin", colour, place, 5)
            image, mask = render(scene)
            behind = render_background(place, 5)
            contrast = np.abs(image.astype(int) - behind).mean(axis=2)[mask].mean()
            assert contrast > 24, (colour, place, contrast)


def test_every_species_wears_every_colour():
    for species in SPECIES:
        pictures = {render(Scene(species, colour, "lake", 1))[0].tobytes() for colour in COLOURS}
        assert len(pictures) == len(COLOURS)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("species", "penguin", "sparrow"),
        ("colour", "blue", "yellow"),
        ("colour", None, "yellow"),
        ("place", "desert", "lake"),
    ],
)
def test_unknown_names_are_refused(field, value, allowed):
    with pytest.raises(ValueError, match=rf"{field} {value!r}.*{allowed}"):
        replace(Scene("duck", "red", "lake", 0), **{field: value})


def test_unknown_place_of_a_background_is_refused():
    with pytest.raises(ValueError, match="place 'desert'"):
        render_background("desert", 0)


@pytest.mark.parametrize("species", ["heron", "swan"])
def test_birds_face_right(species):
    for seed in range(20):
        _, mask = render(Scene(species, "red", "lake", seed))
        rows, columns = np.nonzero(mask)
        assert columns[rows <= rows.min() + 2].mean() > columns.mean()  # the head is the highest part

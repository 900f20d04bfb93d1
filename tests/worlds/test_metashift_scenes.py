"""What mini-MetaShift's scenes promise: same bytes, true silhouettes, places that ignore the animal."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from dbb.worlds.metashift.breeds import BREEDS, CATS, COATS, DOGS, PATTERNS
from dbb.worlds.metashift.scenes import ALONE, BIRD, PLACES, POSES, Scene, render
from dbb.worlds.metashift.world import RARE_TROUBLE, draw_animal

MARGIN = 2
PLAIN = Scene("beagle", "ginger", "plain", "sit", "bench", 11)


def scenes_of(breeds: list[str], places: tuple[str, ...], count: int) -> list[Scene]:
    """`count` scenes that go through breeds, poses and places, the rest at random."""
    rng = np.random.default_rng(7)
    grid = list(product(breeds, POSES, places))
    chosen = rng.choice(len(grid), count, replace=count > len(grid))
    coats, patterns = rng.choice(list(COATS), count).tolist(), rng.choice(PATTERNS, count).tolist()
    return [
        Scene(grid[k][0], coat, pattern, grid[k][1], grid[k][2], 1000 + int(k))
        for k, coat, pattern in zip(chosen, coats, patterns, strict=True)
    ]


@pytest.fixture(scope="module")
def rendered() -> list[tuple[Scene, np.ndarray, np.ndarray]]:
    scenes = scenes_of(list(CATS), PLACES, 35) + scenes_of(list(DOGS), PLACES, 35)
    return [(scene, *render(scene)) for scene in scenes]


@pytest.fixture(scope="module")
def troubled() -> list[tuple[Scene, np.ndarray, np.ndarray]]:
    """Far, hidden and accompanied animals at every place."""
    scenes = []
    for number, (breed, place) in enumerate(product(("manx", "dachshund"), PLACES)):
        kin = "persian" if breed in CATS else "spitz"
        whole = Scene(breed, "grey", "masked", POSES[number % 3], place, number)
        scenes += [replace(whole, far=True), replace(whole, hidden=True)]
        scenes += [replace(whole, companion=kin), replace(whole, companion=BIRD)]
    return [(scene, *render(scene)) for scene in scenes]


def dilate(mask: np.ndarray) -> np.ndarray:
    """The mask and its eight neighbours: anti-aliasing paints a rim of one pixel."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    return np.any([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)


def place_of(scene: Scene) -> np.ndarray:
    """The picture without its animal."""
    return render(replace(scene, breed=None))[0]


def test_same_scene_same_bytes(rendered, troubled):
    for scene, image, mask in rendered[:8] + troubled[:8]:
        again, mask_again = render(scene)
        assert again.tobytes() == image.tobytes()
        assert mask_again.tobytes() == mask.tobytes()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shapes_and_types(size):
    image, mask = render(PLAIN, size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == bool


def test_places_do_not_depend_on_the_animal(rendered):
    for scene, image, mask in rendered[::3]:
        outside = ~dilate(mask)
        empty, nothing = render(Scene(None, None, None, None, scene.place, scene.seed))
        assert not nothing.any()
        np.testing.assert_array_equal(image[outside], empty[outside])


def test_an_animal_hides_its_place(rendered):
    for scene, image, mask in rendered[::3]:
        changed = np.abs(image.astype(int) - place_of(scene)).max(axis=2) > 2
        assert changed[mask].mean() > 0.9, scene


def test_the_other_class_at_the_same_place():
    for place in PLACES:
        cat = Scene("persian", "white", "striped", "lie", place, 4)
        (first, its_mask), (second, other_mask) = render(cat), render(replace(cat, breed="corgi"))
        outside = ~dilate(its_mask | other_mask)
        np.testing.assert_array_equal(first[outside], second[outside])
        assert (its_mask != other_mask).any()


@pytest.mark.parametrize("place", PLACES)
def test_silhouettes_depend_on_neither_coat_nor_pattern(place):
    scene = replace(PLAIN, place=place)
    _, mask = render(scene)
    for pattern in PATTERNS:
        np.testing.assert_array_equal(render(replace(scene, coat="black", pattern=pattern))[1], mask)


def test_bearing_does_not_depend_on_the_place():
    """Another place moves an animal up or down to its ground, and nothing else."""
    widths = {np.ptp(np.nonzero(render(replace(PLAIN, pose="lie", place=place))[1])[1]) for place in PLACES}
    assert len(widths) == 1


def test_animals_stay_inside_the_frame(rendered, troubled):
    for scene, _, mask in rendered + troubled:
        inner = mask[MARGIN:-MARGIN, MARGIN:-MARGIN]
        assert inner.sum() == mask.sum(), scene


def test_animals_are_large_and_nearly_equally_so_in_both_classes(rendered):
    areas = np.array([mask.mean() for _, _, mask in rendered])
    cats = np.array([scene.breed in CATS for scene, _, _ in rendered])
    assert areas.min() > 0.12 and areas.max() < 0.4
    assert areas[cats].mean() / areas[~cats].mean() == pytest.approx(1.0, abs=0.12)


def test_far_animals_are_small(troubled):
    for scene, _, mask in troubled:
        if scene.far:
            assert 20 < mask.sum() < 0.35 * render(replace(scene, far=False))[1].sum()


def test_what_stands_in_front_is_not_of_the_animal(troubled):
    for scene, image, mask in troubled:
        if scene.hidden:
            open_image, whole = render(replace(scene, hidden=False))
            assert not (mask & ~whole).any()
            assert 0.4 * whole.sum() < mask.sum() < 0.97 * whole.sum(), scene
            inner = ~dilate(~mask)
            np.testing.assert_array_equal(image[inner], open_image[inner])


def test_kin_is_masked_and_a_bird_is_not(troubled):
    for scene, image, mask in troubled:
        if scene.companion == ALONE:
            continue
        different = np.abs(image.astype(int) - place_of(scene)).max(axis=2) > 8
        unmasked = (different & ~dilate(mask)).sum()
        assert unmasked > 20 if scene.companion == BIRD else unmasked == 0, scene


def test_a_companion_differs_by_its_breed():
    scene = replace(PLAIN, companion="poodle")
    assert render(scene)[0].tobytes() != render(replace(scene, companion="corgi"))[0].tobytes()


def test_animals_of_every_coat_stand_out():
    """The least visible animal still differs from its place by 20 grey levels on average."""
    for place in PLACES:
        behind = place_of(replace(PLAIN, place=place))
        for coat in COATS:
            image, mask = render(replace(PLAIN, coat=coat, place=place))
            contrast = np.abs(image.astype(int) - behind).mean(axis=2)[mask].mean()
            assert contrast > 20, (coat, place, contrast)


@pytest.mark.parametrize(
    ("field", "values"), [("breed", BREEDS), ("coat", COATS), ("pattern", PATTERNS), ("pose", POSES), ("place", PLACES)]
)
def test_every_value_draws_something_different(field, values):
    pictures = {render(replace(PLAIN, **{field: value}))[0].tobytes() for value in values}
    assert len(pictures) == len(values)


def test_flat_faces_and_snouts_show_every_pattern():
    for breed in ("siamese", "poodle", "terrier"):
        pictures = {render(replace(PLAIN, breed=breed, pattern=pattern))[0].tobytes() for pattern in PATTERNS}
        assert len(pictures) == len(PATTERNS), breed


def test_a_far_animal_is_alone():
    with pytest.raises(ValueError, match=r"companion 'corgi'.*alone"):
        replace(PLAIN, far=True, companion="corgi")


@pytest.mark.parametrize("breed", ["siamese", "dachshund"])
def test_animals_face_right(breed):
    for seed in range(8):
        _, mask = render(replace(PLAIN, breed=breed, pose="lie", seed=seed))
        rows, columns = np.nonzero(mask)
        assert columns[rows <= rows.min() + 6].mean() > columns.mean()  # the head is the highest part


def test_trouble_is_rare_and_ignores_the_class():
    rng = np.random.default_rng(0)
    for breeds in (list(CATS), list(DOGS)):
        scenes = [draw_animal(rng, k, breeds, PLACES) for k in range(1500)]
        assert np.mean([s.far for s in scenes]) == pytest.approx(RARE_TROUBLE.far, abs=0.02)
        assert np.mean([s.hidden for s in scenes]) == pytest.approx(RARE_TROUBLE.hidden, abs=0.02)
        assert np.mean([s.companion == BIRD for s in scenes]) == pytest.approx(RARE_TROUBLE.bird, abs=0.02)
        assert np.mean([s.companion in BREEDS for s in scenes]) == pytest.approx(RARE_TROUBLE.kin, abs=0.02)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("breed", "cat", "persian"),
        ("coat", "blue", "ginger"),
        ("coat", None, "ginger"),
        ("pattern", "spotted", "striped"),
        ("pose", "jump", "lie"),
        ("pose", None, "lie"),
        ("place", "lake", "shelf"),
        ("companion", "persian", "corgi"),
        ("companion", "fish", "bird"),
    ],
)
def test_unknown_names_are_refused(field, value, allowed):
    with pytest.raises(ValueError, match=rf"{field} {value!r}.*{allowed}"):
        replace(PLAIN, **{field: value})


def test_an_empty_place_is_empty(troubled):
    for scene, _, _ in troubled[:8]:
        image, mask = render(replace(scene, breed=None))
        assert not mask.any()
        assert image.tobytes() == render(Scene(None, None, None, None, scene.place, scene.seed))[0].tobytes()

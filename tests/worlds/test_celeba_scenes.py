"""What the portraits promise: same bytes, true hair masks, and parts that know nothing of each other."""

from dataclasses import replace

import numpy as np
import pytest

from dbb.worlds.celeba.hair import BLOND, OTHER
from dbb.worlds.celeba.scenes import BEARDS, HATS, PLACES, SEXES, SHADES, STYLES, Scene, head_mask, render

MARGIN = 2
WOMAN = Scene("honey", "long wavy", "woman", None, None, False, "studio", 5)
MAN = Scene("black", "cropped", "man", None, "full", True, "street", 6)


def scene_with(style: str, number: int, shade: str = "honey") -> Scene:
    """A scene of a style, the rest going through all values."""
    return Scene(
        shade=None if style == "bald" else shade,
        style=style,
        sex=SEXES[number % 2],
        hat=None,
        beard=(None, *BEARDS)[number % 5] if number % 2 else None,
        glasses=number % 3 == 0,
        place=PLACES[number % len(PLACES)],
        seed=1000 + number,
    )


@pytest.fixture(scope="module")
def rendered() -> list[tuple[Scene, np.ndarray, np.ndarray]]:
    scenes = [scene_with(STYLES[k % len(STYLES)], k, SHADES[k % len(SHADES)]) for k in range(3 * len(STYLES))]
    return [(scene, *render(scene)) for scene in scenes]


def dilate(mask: np.ndarray) -> np.ndarray:
    """The mask and its eight neighbours."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    return np.any([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)


def changed(first: Scene, second: Scene) -> np.ndarray:
    """Where two scenes look different, bool (64, 64)."""
    return (render(first)[0] != render(second)[0]).any(axis=2)


def test_same_scene_same_bytes(rendered):
    for scene, image, mask in rendered[:12]:
        again, mask_again = render(scene)
        assert again.tobytes() == image.tobytes()
        assert mask_again.tobytes() == mask.tobytes()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shapes_and_types(size):
    image, mask = render(WOMAN, size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == bool
    assert head_mask(WOMAN, size).shape == (size, size)


def test_hair_stays_inside_the_frame(rendered):
    for scene, _, mask in rendered:
        assert mask[MARGIN:, MARGIN:-MARGIN].sum() == mask.sum(), scene


def test_the_shade_shows_inside_the_mask_and_nowhere_else(rendered):
    for scene, image, mask in rendered:
        if scene.shade is None:
            continue
        other, same = render(replace(scene, shade="platinum" if scene.shade in OTHER else "black"))
        np.testing.assert_array_equal(same, mask)
        differs = np.abs(image.astype(int) - other).max(axis=2) > 0
        assert not (differs & ~dilate(dilate(mask))).any(), scene
        assert differs[mask].mean() > 0.97, scene


@pytest.mark.parametrize("style", STYLES)
def test_every_style_shows_hair_but_the_bald(style):
    areas = [render(scene_with(style, k))[1].sum() for k in range(3)]
    assert (max(areas) == 0) if style == "bald" else (min(areas) > 20)


@pytest.mark.parametrize("style", [style for style in STYLES if style not in ("bald", "buzzed")])
@pytest.mark.parametrize("hat", HATS)
def test_under_a_hat_some_hair_is_seen_and_less_than_without(style, hat):
    bare = scene_with(style, 3)
    hatted = render(replace(bare, hat=hat))[1].sum()
    assert 8 < hatted
    assert style == "thinning" or hatted < render(bare)[1].sum()


@pytest.mark.parametrize("hat", HATS)
def test_a_hat_hides_buzzed_hair_wholly(hat):
    assert not render(replace(MAN, style="buzzed", shade=None, hat=hat))[1].any()


def test_hair_that_is_lost_leaves_the_rest_as_it_was():
    for seed in range(4):
        scene = replace(MAN, style="cropped", seed=seed)
        outside = ~dilate(dilate(render(scene)[1]))
        shine = head_mask(scene)
        assert not (changed(scene, replace(scene, style="bald", shade=None)) & outside & ~shine).any()


def test_glasses_beard_and_hat_leave_the_rest_as_it_was():
    scene = replace(MAN, glasses=False, beard=None)
    head = head_mask(scene)
    glasses = changed(scene, replace(scene, glasses=True))
    beard = changed(scene, replace(scene, beard="full"))
    assert glasses.any() and beard.any()
    assert not (glasses & ~head).any() and not (beard & ~head).any()
    assert np.nonzero(glasses)[0].mean() < np.nonzero(beard)[0].mean()
    assert np.nonzero(changed(scene, replace(scene, hat="fedora")))[0].max() < np.nonzero(head)[0].max()


def test_the_person_does_not_know_the_place(rendered):
    for scene, image, mask in rendered[:12]:
        other, same = render(replace(scene, place=PLACES[PLACES.index(scene.place) - 1]))
        np.testing.assert_array_equal(same, mask)
        rows, columns = (int(place.mean()) for place in np.nonzero(head_mask(scene)))
        face = np.s_[rows : rows + 10, columns - 5 : columns + 5]
        np.testing.assert_array_equal(image[face], other[face])


def test_the_head_is_the_same_whatever_it_wears():
    first = head_mask(MAN)
    for other in (
        replace(MAN, hat="cap"),
        replace(MAN, style="afro"),
        replace(MAN, sex="woman"),
        replace(MAN, place="wall"),
    ):
        np.testing.assert_array_equal(head_mask(other), first)
    assert 0.1 < first.mean() < 0.5


def test_sex_changes_neither_place_nor_pose():
    woman = replace(MAN, sex="woman")
    assert woman.person.centre == MAN.person.centre and woman.person.tilt == MAN.person.tilt
    np.testing.assert_array_equal(woman.person.skin, MAN.person.skin)
    assert not changed(woman, MAN)[:8].any()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("shade", SHADES),
        ("style", tuple(style for style in STYLES if style != "bald")),
        ("sex", SEXES),
        ("hat", (*HATS, None)),
        ("beard", (*BEARDS, None)),
        ("glasses", (True, False)),
        ("place", PLACES),
    ],
)
def test_every_value_looks_different(field, values):
    pictures = {render(replace(MAN, **{field: value}))[0].tobytes() for value in values}
    assert len(pictures) == len(values)


def test_seeds_look_different():
    assert len({render(replace(WOMAN, seed=seed))[0].tobytes() for seed in range(8)}) == 8


def test_under_the_same_light_no_blond_looks_like_other_hair():
    def seen(shade: str) -> np.ndarray:
        image, mask = render(replace(WOMAN, shade=shade))
        return image[mask].mean(axis=0)

    other = np.stack([seen(shade) for shade in OTHER])
    for shade in BLOND:
        assert np.linalg.norm(other - seen(shade), axis=1).min() > 35, shade


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("shade", "blond", "platinum"),
        ("shade", None, "platinum"),
        ("style", "mohawk", "pixie"),
        ("sex", "robot", "woman"),
        ("hat", "helmet", "fedora"),
        ("beard", "long", "goatee"),
        ("place", "desert", "garden"),
    ],
)
def test_unknown_names_are_refused(field, value, allowed):
    with pytest.raises(ValueError, match=rf"{field} {value!r}.*{allowed}"):
        replace(WOMAN, **{field: value})


def test_hair_that_is_not_seen_has_no_shade():
    with pytest.raises(ValueError, match=r"shade 'honey'.*None"):
        replace(WOMAN, style="bald")
    with pytest.raises(ValueError, match=r"shade 'black'.*None"):
        replace(MAN, style="buzzed", hat="cap")

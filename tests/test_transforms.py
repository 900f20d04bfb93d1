"""The classifier's input: crops against torchvision's, boxes against their definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import center_crop, resized_crop

from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.transforms import (
    AREAS,
    RATIOS,
    centre,
    evaluation_input,
    normalise,
    random_boxes,
    resized_crops,
    training_input,
)

FORMAT = InputFormat(24, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), margin=8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(n: int = 6, size: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), generator=generator(), dtype=torch.uint8)


def test_the_centre_is_torchvisions():
    assert torch.equal(centre(pixels(), 24), center_crop(pixels(), [24, 24]))
    assert FORMAT.read_size == 32


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(16, 300))
def test_boxes_lie_inside_and_have_the_asked_for_area_and_ratio(seed, size):
    left, top, width, height = random_boxes(50, size, generator(seed)).T
    assert (left >= 0).all() and (top >= 0).all()
    assert (left + width <= size).all() and (top + height <= size).all()
    slack = 1 / size  # sides are rounded to whole px
    area, ratio = width * height / size**2, width / height
    assert (area >= AREAS[0] - 2 * slack).all() and (area <= AREAS[1] + 2 * slack).all()
    assert (ratio >= RATIOS[0] * (1 - 4 * slack)).all() and (ratio <= RATIOS[1] * (1 + 4 * slack)).all()


def test_boxes_differ_from_image_to_image_and_reach_every_edge():
    left, top, width, height = random_boxes(2000, 64, generator()).T
    assert len(torch.unique(torch.stack([left, top, width, height]), dim=1).T) > 1000
    assert left.min() == 0 and top.min() == 0 and (left + width).max() == 64 and (top + height).max() == 64


def test_crops_are_torchvisions():
    boxes = random_boxes(6, 32, generator())
    mirrored = torch.tensor([True, False] * 3)
    ours = resized_crops(pixels(), boxes, 24, mirrored)
    for i, (left, top, width, height) in enumerate(boxes.int().tolist()):
        theirs = resized_crop(pixels()[i].float(), top, left, height, width, [24, 24], antialias=True)
        crop = ours[i].flip(-1) if mirrored[i] else ours[i]
        torch.testing.assert_close(crop, theirs, atol=1e-3, rtol=0)


def test_means_and_deviations_of_any_type_normalise_to_float32():
    plain = normalise(pixels(), FORMAT.mean, FORMAT.std)
    doubles = normalise(pixels(), np.array(FORMAT.mean), np.array(FORMAT.std))
    assert plain.dtype == doubles.dtype == torch.float32 and torch.equal(plain, doubles)


def test_no_augmentation_is_the_normalised_centre():
    expected = normalise(center_crop(pixels(), [24, 24]), FORMAT.mean, FORMAT.std)
    assert torch.equal(training_input(pixels(), FORMAT, "none", generator()), expected)


def test_flip_mirrors_about_half_and_changes_nothing_else():
    many = pixels(200)
    seen = training_input(many, FORMAT, "flip", generator())
    plain = training_input(many, FORMAT, "none", generator())
    mirrored = (seen == plain.flip(-1)).all(dim=(1, 2, 3))
    assert ((seen == plain).all(dim=(1, 2, 3)) ^ mirrored).all() and 70 < mirrored.sum() < 130


@pytest.mark.parametrize("augmentation", ["flip", "crop"])
def test_the_same_generator_draws_the_same(augmentation):
    first, again, other = (training_input(pixels(), FORMAT, augmentation, generator(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (6, 3, 24, 24)


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(InputError, match="unknown augmentation 'colour'"):
        training_input(pixels(), FORMAT, "colour", generator())


def test_the_classifier_s_input_is_the_centre_in_shares_of_255_less_the_mean_over_the_deviation():
    input_format = InputFormat(4, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), margin=2)
    pixels = torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    found = evaluation_input(pixels, input_format)
    assert found.shape == (3, 3, 4, 4) and found.dtype == torch.float32
    for channel, (mean, std) in enumerate(zip(input_format.mean, input_format.std, strict=True)):
        expected = (pixels[:, channel, 2:6, 2:6].double() / 255 - mean) / std
        torch.testing.assert_close(found[:, channel].double(), expected, rtol=0, atol=1e-5)


def test_crops_are_mirrored_half_of_the_time():
    input_format = InputFormat(8, (0.0,) * 3, (1 / 255,) * 3)
    ramp = (torch.arange(8) * 30).to(torch.uint8).expand(200, 3, 8, 8)
    images = training_input(ramp, input_format, "crop", torch.Generator().manual_seed(0))
    falling = (images[:, 0, 4, 0] > images[:, 0, 4, -1]).float().mean()
    assert 0.4 < falling < 0.6


def test_a_box_is_the_first_of_its_draws_that_fits_and_may_be_as_wide_as_the_picture():
    size, n = 12, 400
    areas = torch.empty(n, 10).uniform_(0.7, 1.0, generator=(drawn := generator(3))) * size * size
    ratios = torch.empty(n, 10).uniform_(np.log(3 / 4), np.log(4 / 3), generator=drawn).exp()
    expected = []
    for some in zip(areas.tolist(), ratios.tolist(), strict=True):
        sides = [
            (round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)) for area, ratio in zip(*some, strict=True)
        ]
        expected.append(next((list(pair) for pair in sides if max(pair) <= size), [size, size]))
    assert random_boxes(n, size, generator(3))[:, 2:].tolist() == expected
    assert any(max(sides) == size > min(sides) for sides in expected)


def test_a_crop_is_of_most_of_the_picture():
    ramp = torch.arange(0, 256, 8).to(torch.uint8).expand(50, 3, 32, 32)
    plain = InputFormat(32, (0.0,) * 3, (1 / 255,) * 3)
    seen = training_input(ramp, plain, "crop", generator())
    assert ((seen.amax((1, 2, 3)) - seen.amin((1, 2, 3))) > 0.7 * 248).all()


@pytest.mark.parametrize("augmentation", ["none", "flip", "crop"])
def test_pictures_stay_on_their_device(augmentation):
    assert training_input(pixels().to("meta"), FORMAT, augmentation, generator()).device.type == "meta"


def test_a_mean_for_each_deviation():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        normalise(pixels(), (0.5,) * 4, (0.2,) * 3)

"""Every image and stage has its own seed, the same on every machine."""

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from dbb.seeds import image_seed, seed_everything, stage_generator

keys = st.tuples(st.text(max_size=12), st.integers(0, 999), st.integers(0, 10**6), st.integers(0, 9))


@given(keys, keys)
def test_other_images_have_other_seeds_in_63_bits(first, second):
    assert 0 <= image_seed(*first) < 2**63
    assert (image_seed(*first) == image_seed(*second)) == (first == second)


def test_an_image_seed_never_changes():
    # A change would make every published image another one.
    assert image_seed("mini-waterbirds", 0, 17, 1) == 6157736279334652530
    assert image_seed("mini-waterbirds", np.int64(0), np.int64(17), np.int64(1)) == 6157736279334652530


def test_neighbouring_fields_do_not_run_together():
    assert image_seed("a", 1, 23, 0) != image_seed("a", 12, 3, 0)
    assert stage_generator("a", 1).initial_seed() != stage_generator("a", "1").initial_seed()


def test_a_stage_generator_repeats_itself():
    assert torch.equal(
        torch.rand(9, generator=stage_generator("erm", 0, 1)), torch.rand(9, generator=stage_generator("erm", 0, 1))
    )


def test_seed_everything_seeds_three_generators():
    def draw():
        seed_everything(2**40 + 3)
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    assert draw() == draw()

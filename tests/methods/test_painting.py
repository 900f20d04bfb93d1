"""Pictures are painted from words alone, each by its own seed, and once for all who ask for the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from standins import make_inpainting

from dbb.benchmarks.entry import Benchmark
from dbb.errors import InputError
from dbb.methods import painting as painting_module
from dbb.methods.given import Given
from dbb.methods.painting import paint, paint_prompt, picture_seed
from dbb.methods.shared import Shared
from dbb.models import inpainting
from dbb.stages import generation

PROMPTS = ["a bird", "a duck", "a bird", "a lake", "a bird"]


@pytest.fixture(scope="session")
def painting(few, tmp_path_factory) -> Benchmark:
    """The few pictures' benchmark with a tiny painter: 2 steps at 32 px, two pictures at a time."""
    folder = make_inpainting(tmp_path_factory.mktemp("painter"))
    settings = replace(few.generation, steps=2, batch_size=2, guidance_scale=3.0)
    return replace(few, inpainting=str(folder), generation=settings, generation_size=32)


@pytest.fixture
def painter(given, painting) -> Callable[..., Given]:
    return lambda **how: given(**{"benchmark": painting, **how})


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """Grows with every load of a painter, which is none: pictures are noise by their seeds."""
    found: list[str] = []

    def paint_prompt(pipe: Any, prompt: str, seeds: Any, benchmark: Benchmark) -> torch.Tensor:
        return torch.stack(
            [torch.randint(256, (3, 16, 16), generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        ).to(torch.uint8)

    monkeypatch.setattr(inpainting, "load_inpainting", lambda spec, *given, **how: found.append(spec))
    monkeypatch.setattr(painting_module, "paint_prompt", paint_prompt)
    return found


def test_every_picture_is_its_prompt_s_own_and_could_be_painted_alone(painter, painting):
    pictures = paint(painter(), PROMPTS, "set")
    assert pictures.shape == (5, 3, 16, 16) and pictures.dtype == torch.uint8
    assert len({picture.numpy().tobytes() for picture in pictures}) == 5
    pipe = inpainting.load_inpainting(painting.inpainting, "cpu", sampler=painting.generation.sampler)
    for place, number in ((0, 0), (2, 1), (4, 2), (1, 0)):
        alone = paint_prompt(pipe, PROMPTS[place], [picture_seed("set", 0, PROMPTS[place], number)], painting)[0]
        assert (pictures[place].int() - alone.int()).abs().max() <= 1, "another batch may round otherwise"


def test_what_is_blank_is_painted_whole_by_the_benchmark_s_settings(painter, painting, monkeypatch):
    seen, real = [], generation.inpaint

    def inpaint(pipe: Any, states: Any, images: Any, masks: Any, seeds: Any, steps: int, guidance: float) -> Any:
        painted = real(pipe, states, images, masks, seeds, steps, guidance)
        seen.append((images, masks, len(seeds), steps, guidance, painted))
        return painted

    monkeypatch.setattr(generation, "inpaint", inpaint)
    pictures = paint(painter(), ["a bird"] * 3, "set")
    assert [n for _, _, n, *_ in seen] == [2, 1]
    assert all(masks.all() and masks.shape[1:] == (32, 32) for _, masks, *_ in seen)
    assert all(not images.any() for images, *_ in seen)
    assert all((steps, guidance) == (2, 3.0) for *_, steps, guidance, _ in seen)
    large = torch.cat([painted for *_, painted in seen]).permute(0, 2, 3, 1).numpy()
    small = [np.asarray(Image.fromarray(one).resize((16, 16), Image.Resampling.BILINEAR)) for one in large]
    assert np.array_equal(pictures.permute(0, 2, 3, 1).numpy(), np.stack(small))


def test_seeds_follow_from_set_run_prompt_and_number():
    seeds = [picture_seed(*of) for of in (("a", 0, "p", 0), ("b", 0, "p", 0), ("a", 1, "p", 0), ("a", 0, "q", 0))]
    assert len({*seeds, picture_seed("a", 0, "p", 1)}) == 5 and picture_seed("a", 0, "p", 0) == seeds[0]


def test_a_set_is_painted_once_for_all_trainings_of_a_seed(painter, painting, loads, tmp_path):
    first = paint(painter(shared=Shared(tmp_path, "s")), PROMPTS[:2], "set")
    again = paint(painter(shared=Shared(tmp_path, "s")), PROMPTS[:2], "set")
    assert torch.equal(first, again) and len(loads) == 1
    here = painter()
    assert paint(here, PROMPTS[:2], "set") is paint(here, PROMPTS[:2], "set") and len(loads) == 2


@pytest.mark.parametrize("what", ["prompts", "seed", "steps", "size", "painter"])
def test_another_set_is_painted_anew(painter, painting, loads, tmp_path, what):
    shared, prompts = Shared(tmp_path, "s"), PROMPTS[:2]
    first = paint(painter(shared=shared), prompts, "set")
    changed = {
        "steps": lambda: replace(painting, generation=replace(painting.generation, steps=3)),
        "size": lambda: replace(painting, generation_size=64),
        "painter": lambda: replace(painting, inpainting=few_bytes(tmp_path / "other")),
    }
    this = painter(shared=shared, seed=int(what == "seed"), benchmark=changed[what]() if what in changed else painting)
    other = paint(this, prompts[::-1] if what == "prompts" else prompts, "set")
    assert len(loads) == 2
    assert torch.equal(first, other) == (what in changed), "what the stand-in paints depends on prompts and seed alone"


def few_bytes(folder: Path) -> str:
    folder.mkdir()
    (folder / "model").write_text("another")
    return str(folder)


def test_no_prompts_are_refused(painter):
    with pytest.raises(InputError, match="no prompts to paint for set"):
        paint(painter(), [], "set")

"""Training of the embedded models: an interrupted run goes on and ends where an undisturbed one does."""

import numpy as np
import pytest
import torch
from torch import nn

from dbb.pretraining.diffusion import new_tokenizer as painter_tokenizer
from dbb.pretraining.lessons import LESSONS
from dbb.pretraining.loop import read_curve, train
from dbb.pretraining.scenes import Book
from dbb.pretraining.segmenter import (
    PROMPT_LENGTH,
    contrastive_loss,
    heatmaps,
    keywords,
    new_segmenter,
    new_tokenizer,
    prompt_and_target,
)


def draw_points(step):
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(step))


def line_loss(model, stop_after=None):
    seen = []

    def loss_of(x, generator):
        if len(seen) == stop_after:
            raise KeyboardInterrupt
        seen.append(x)
        noise = torch.randn(len(x), 1, generator=generator)
        return (model(x) - x.sum(1, keepdim=True) - noise).square().mean()

    return loss_of


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    def new_model():
        torch.manual_seed(0)
        return nn.Linear(3, 1)

    options = {"steps": 40, "learning_rate": 0.1, "checkpoint_every": 10}
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    model = new_model()
    whole = train("line", model, draw_points, line_loss(model), work=tmp_path / "whole", **options)
    model = new_model()
    with pytest.raises(KeyboardInterrupt):
        train("line", model, draw_points, line_loss(model, stop_after=25), work=tmp_path / "broken", **options)
    model = new_model()
    resumed = train("line", model, draw_points, line_loss(model), work=tmp_path / "broken", workers=2, **options)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert read_curve(tmp_path / "whole", "line")[-1][0] == 40


@pytest.fixture(scope="module", params=LESSONS, ids=lambda lesson: lesson.world.name)
def book(request):
    world = request.param.world
    return Book(request.param, world.render_all(world.random_scenes("segmenter", 40, 0.3)))


def test_segmenter_targets_follow_the_prompts(book):
    lesson = book.lesson
    places = lesson.world.attributes["place"] if lesson.subject != "hair" else ()
    rng = np.random.default_rng(0)
    for number, (scene, mask) in enumerate(zip(book.rendered.scenes, book.rendered.masks, strict=True)):
        own = {phrase.format(getattr(scene, name)) for name, phrase in lesson.phrases}
        for _ in range(20):
            prompt, target = prompt_and_target(book, number, rng)
            if prompt in own or (
                prompt.split()[-1] == lesson.subject and set(prompt.split()[:-1]) <= set("a photo of".split())
            ):
                assert np.array_equal(target > 0, mask)
            elif prompt in places:
                assert np.array_equal(target > 0, ~mask if prompt == scene.place else np.zeros_like(mask))
            elif prompt in worn_by(scene):
                assert target.any() and not (target[mask] > 0).any()
            else:
                assert not target.any(), prompt


def worn_by(scene):
    """What a portrait's person wears; nothing elsewhere."""
    if not hasattr(scene, "glasses"):
        return set()
    beard = {"full": "beard"}.get(scene.beard, scene.beard)
    return {word for word in (scene.hat, beard, "glasses" if scene.glasses else None) if word}


def test_heatmaps_are_those_of_the_models_own_forward_and_reach_both_towers(book):
    torch.manual_seed(0)
    tokenizer = new_tokenizer()
    model = new_segmenter(len(tokenizer)).eval()
    pixels = torch.from_numpy(book.rendered.images[:2]).permute(0, 3, 1, 2).float() / 127.5 - 1
    ids = tokenizer(["bird", "lake"], padding="max_length", return_tensors="pt").input_ids
    ours = heatmaps(model, pixels, ids)
    assert torch.allclose(ours, model(input_ids=ids, pixel_values=pixels).logits, atol=1e-5)
    ours.sum().backward()
    assert model.clip.vision_model.embeddings.patch_embedding.weight.grad.abs().sum() > 0
    assert model.clip.text_model.embeddings.token_embedding.weight.grad.abs().sum() > 0


def test_contrastive_loss_is_that_of_clip_itself(book):
    torch.manual_seed(0)
    tokenizer = new_tokenizer()
    model = new_segmenter(len(tokenizer)).eval()
    pixels = torch.from_numpy(book.rendered.images[:4]).permute(0, 3, 1, 2).float() / 127.5 - 1
    ids = tokenizer(["red bird", "lake", "heron", "ocean"], padding="max_length", return_tensors="pt").input_ids
    pooled = model.clip.vision_model(pixels).pooler_output
    own = model.clip(input_ids=ids, pixel_values=pixels, return_loss=True).loss
    assert torch.allclose(contrastive_loss(model, pooled, ids), own, atol=1e-5)


def test_keywords_name_what_is_there_and_fit_the_text_encoder(book):
    rng = np.random.default_rng(0)
    for number, scene in enumerate(book.rendered.scenes):
        words = keywords(book, number, rng)
        there = [getattr(scene, name) for name, _ in book.lesson.phrases]
        assert words and set(words.split()) <= set(" ".join(filter(None, [*there, scene.place])).split())
        assert len(new_tokenizer()(words).input_ids) <= PROMPT_LENGTH


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.world.name)
def test_the_painter_reads_every_caption_to_its_end(lesson):
    rng, tokenizer = np.random.default_rng(0), painter_tokenizer()
    captions = [lesson.world.caption(scene, rng) for scene in lesson.world.random_scenes("generative", 2000, 0.1)]
    for text, ids in zip(captions, tokenizer(captions).input_ids, strict=True):
        assert len(ids) == len(text.split()) + 2 <= tokenizer.model_max_length, text

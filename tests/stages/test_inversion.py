"""Textual inversion: eq. 1's gradient, what stays frozen, and whether the prompt uses the token."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from safetensors.torch import load_file
from standins import boxes, make_inpainting, pictures

from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.models.inpainting import load_inpainting
from dbb.models.tokens import add_embedding, add_token, check_token_used, save_token
from dbb.seeds import stage_generator
from dbb.stages.generation import encode_prompt
from dbb.stages.inversion import _states, denoising_losses, encode_examples, held_out_loss, invert, minority_images

TOKEN = "<landbird>"
TEMPLATES = ["a photo of a {} bird", "a {} bird"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_inpainting(tmp_path_factory.mktemp("inpainting"))


def learn(pipe, steps: int = 10, **changes):
    arguments = dict(
        images=pictures(4),
        masks=boxes(4),
        placeholder_token=TOKEN,
        initial_word="bird",
        templates=TEMPLATES,
        steps=steps,
        batch_size=4,
        learning_rate=5e-3,
        seed=0,
    )
    return invert(pipe, **{**arguments, **changes})


@pytest.mark.parametrize(
    ("channels", "prediction", "names"),
    [(9, "v_prediction", [TOKEN]), (4, "epsilon", [TOKEN]), (9, "v_prediction", [TOKEN, f"{TOKEN}_1", f"{TOKEN}_2"])],
)
def test_gradient_equals_plain_autograd_through_the_whole_model(tmp_path, channels, prediction, names) -> None:
    pipe = load_inpainting(str(make_inpainting(tmp_path, in_channels=channels, prediction_type=prediction)))
    images, masks, prompt = pictures(2), boxes(2), f"a photo of a {' '.join(names)} bird"
    generator = torch.Generator().manual_seed(5)
    noise, times = torch.randn(2, 4, 32, 32, generator=generator), torch.tensor([40, 700])
    start = torch.randn(len(names), 32, generator=generator) * 0.02

    naive = deepcopy(pipe)
    naive.load_textual_inversion({TOKEN: start.clone()})
    ids = naive.tokenizer([prompt] * 2, padding="max_length", return_tensors="pt").input_ids
    abar = DDPMScheduler.from_config(pipe.scheduler.config).alphas_cumprod[times].view(-1, 1, 1, 1)
    pixels = images.float() / 127.5 - 1
    with torch.no_grad():
        z0 = naive.vae.encode(pixels).latent_dist.mean * naive.vae.config.scaling_factor
        hidden = naive.vae.encode(pixels * (~masks[:, None]).float()).latent_dist.mean
    zt = abar.sqrt() * z0 + (1 - abar).sqrt() * noise
    target = noise if prediction == "epsilon" else abar.sqrt() * noise - (1 - abar).sqrt() * z0
    if channels == 9:
        zt = torch.cat([zt, masks[:, None, ::2, ::2].float(), hidden * naive.vae.config.scaling_factor], dim=1)
    expected = (naive.unet(zt, times, naive.text_encoder(ids)[0]).sample - target).square().mean()
    expected.backward()
    token_ids = naive.tokenizer.convert_tokens_to_ids(names)
    expected_gradient = naive.text_encoder.get_input_embeddings().weight.grad[token_ids]

    rows = torch.nn.Parameter(start.clone())
    states = _states(pipe, ids, token_ids, rows)
    loss = denoising_losses(pipe, encode_examples(pipe, images, masks), torch.arange(2), states, times, noise)
    loss.mean().backward()
    assert loss.mean().item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(rows.grad, expected_gradient, rtol=1e-3, atol=1e-7)
    assert (rows.grad.abs().amax(dim=1) > 0).all()


def test_learning_lowers_the_held_out_loss_and_touches_nothing_else(folder) -> None:
    pipe = load_inpainting(str(folder))
    before = {k: v.clone() for k, v in pipe.text_encoder.state_dict().items()}
    words = len(pipe.tokenizer)
    result = learn(pipe)
    assert result.held_out_after <= result.held_out_before
    assert result.losses.shape == (10,) and np.isfinite(result.losses).all()
    assert result.timesteps.shape == result.templates.shape == (10, 4)
    assert sorted(result.snapshots) == [0, 2, 4, 6, 8, 10]
    assert torch.equal(result.snapshots[10], result.embedding)
    assert not torch.equal(result.initial, result.embedding)
    after = pipe.text_encoder.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)
    assert len(pipe.tokenizer) == words
    parameters = [*pipe.unet.parameters(), *pipe.text_encoder.parameters(), *pipe.vae.parameters()]
    assert all(p.grad is None for p in parameters)


def test_same_seed_same_token(folder) -> None:
    pipe = load_inpainting(str(folder))
    assert torch.equal(learn(pipe, steps=2).embedding, learn(pipe, steps=2).embedding)
    assert not torch.equal(learn(pipe, steps=2).embedding, learn(pipe, steps=2, seed=1).embedding)


def test_token_roundtrip_is_used_by_the_prompt(folder, tmp_path, capfd) -> None:
    pipe = load_inpainting(str(folder))
    result = learn(pipe, steps=3)
    save_token(tmp_path / "landbird.safetensors", TOKEN, result.embedding)
    assert torch.equal(load_file(tmp_path / "landbird.safetensors")[TOKEN], result.embedding)

    generator_state = torch.get_rng_state()
    token_id = add_token(pipe, tmp_path / "landbird.safetensors")
    assert torch.equal(torch.get_rng_state(), generator_state)
    assert capfd.readouterr().err == ""
    assert torch.equal(pipe.text_encoder.get_input_embeddings().weight[token_id], result.embedding)
    check_token_used(pipe, f"a photo of a {TOKEN} bird", TOKEN)
    prompts = [template.format(TOKEN) for template in TEMPLATES]
    assert held_out_loss(pipe, pictures(4), boxes(4), prompts, seed=0) == pytest.approx(result.held_out_after, rel=1e-5)
    with pytest.raises(InputError, match="already"):
        add_token(pipe, tmp_path / "landbird.safetensors")


def test_several_vectors_start_alike_part_and_are_all_read(folder, tmp_path) -> None:
    pipe = load_inpainting(str(folder))
    result = learn(pipe, vectors=3)
    word = pipe.text_encoder.get_input_embeddings().weight[pipe.tokenizer.convert_tokens_to_ids("bird</w>")].detach()
    assert torch.equal(result.snapshots[0], word.expand(3, 32)) and torch.equal(result.initial, word)
    assert result.embedding.shape == (3, 32) and torch.equal(result.snapshots[10], result.embedding)
    assert len(result.embedding.unique(dim=0)) == 3 and (result.embedding != word).any(1).all()
    assert result.held_out_after <= result.held_out_before
    words = [template.format("bird bird bird") for template in TEMPLATES]
    assert held_out_loss(pipe, pictures(4), boxes(4), words, seed=0) == pytest.approx(result.held_out_before, rel=1e-5)

    save_token(path := tmp_path / "landbird.safetensors", TOKEN, result.embedding)
    plain = load_inpainting(str(folder))
    plain.load_textual_inversion(str(tmp_path), weight_name=path.name)
    first = add_token(pipe, path)
    ids = [first, first + 1, first + 2]
    assert pipe.tokenizer.convert_ids_to_tokens(ids) == [TOKEN, f"{TOKEN}_1", f"{TOKEN}_2"]
    assert torch.equal(pipe.text_encoder.get_input_embeddings().weight[ids], result.embedding)
    prompt = f"a photo of a {TOKEN} bird"
    check_token_used(pipe, prompt, TOKEN)
    written_out = torch.tensor([pipe.tokenizer("a photo of a bird bird bird bird", padding="max_length").input_ids])
    written_out[0, 5:8] = torch.tensor(ids)
    states = pipe.text_encoder(written_out).last_hidden_state
    for read in (pipe, plain):
        torch.testing.assert_close(encode_prompt(read, prompt, 1.0)[0], states)
    prompts = [template.format(TOKEN) for template in TEMPLATES]
    assert held_out_loss(pipe, pictures(4), boxes(4), prompts, seed=0) == pytest.approx(result.held_out_after, rel=1e-5)


def test_a_name_that_a_prompt_would_be_written_out_with_is_refused(folder) -> None:
    pipe = load_inpainting(str(folder))
    add_embedding(pipe, f"{TOKEN}_2", torch.zeros(32))
    add_embedding(pipe, TOKEN, torch.zeros(32))
    for vectors in (2, 3):
        other = load_inpainting(str(folder))
        add_embedding(other, f"{TOKEN}_2", torch.zeros(32))
        with pytest.raises(InputError, match="'<landbird>_2' is in the vocabulary already"):
            add_embedding(other, TOKEN, torch.zeros(vectors, 32))
        with pytest.raises(InputError, match="'<landbird>_2' is in the vocabulary already"):
            learn(other, steps=1, vectors=vectors)


def test_bad_input_is_named(folder) -> None:
    pipe = load_inpainting(str(folder))
    for changes, message in [
        (dict(images=pictures(0), masks=boxes(0)), "no image"),
        (dict(initial_word="zebra"), "zebra"),
        (dict(placeholder_token="bird</w>"), "already"),
        (dict(masks=None), "mask"),
        (dict(templates=["a bird"]), "does not use"),
        (dict(vectors=0), "1 or more"),
        (dict(vectors=11), "does not use"),
    ]:  # 4 words before it, and 14 tokens fit
        with pytest.raises(InputError, match=message):
            learn(pipe, steps=1, **changes)


def test_minority_images_come_from_the_group_that_is_known_worst() -> None:
    labels, attributes = np.repeat([0, 0, 1, 1], 5), np.repeat([0, 1, 0, 1], 5)
    images = ImageSet(ArrayPixels(np.zeros((20, 4, 4, 3), np.uint8)), labels, attributes, 2, np.arange(20))
    accuracy = [0.9, 0.4, None, 0.8]  # group 2's is not known
    assert minority_images(images, accuracy, 0, 9, seed=0).tolist() == [5, 6, 7, 8, 9]
    drawn = minority_images(images, accuracy, 1, 3, seed=0)
    assert len(set(drawn)) == 3 and set(drawn) <= set(range(15, 20)) and sorted(drawn) == drawn.tolist()
    assert drawn.tolist() == minority_images(images, accuracy, 1, 3, seed=0).tolist()
    assert any(drawn.tolist() != minority_images(images, accuracy, 1, 3, seed=s).tolist() for s in range(1, 9))
    with pytest.raises(InputError, match="class 2 has no image"):
        minority_images(images, accuracy, 2, 3, seed=0)


# ------------------------------------------------------------------------------------------------ by hand


def prompt_ids(pipe, prompts) -> torch.Tensor:
    return torch.tensor([pipe.tokenizer(prompt, padding="max_length").input_ids for prompt in prompts])


def test_each_step_is_adam_s_on_what_the_seed_draws(folder) -> None:
    pipe, known = (load_inpainting(str(folder)) for _ in range(2))
    result = learn(pipe, steps=3, batch_size=5, learning_rate=0.02, seed=6)
    word = pipe.text_encoder.get_input_embeddings().weight[pipe.tokenizer.convert_tokens_to_ids("bird</w>")].detach()
    token_id = add_embedding(known, TOKEN, word.clone())
    ids, examples = (
        prompt_ids(known, [text.format(TOKEN) for text in TEMPLATES]),
        encode_examples(pipe, pictures(4), boxes(4)),
    )
    row, generator = torch.nn.Parameter(word[None].clone()), stage_generator("inversion", TOKEN, 6)
    first, second = torch.zeros(2, 1, 32)
    for step in range(1, 4):
        positions, times, chosen = (torch.randint(high, (5,), generator=generator) for high in (4, 1000, 2))
        noise = torch.randn(5, 4, 32, 32, generator=generator)
        assert result.timesteps[step - 1].tolist() == times.tolist()
        assert result.templates[step - 1].tolist() == chosen.tolist()
        states = _states(known, ids[chosen], [token_id], row)
        loss = denoising_losses(pipe, examples, positions, states, times, noise).mean()
        assert result.losses[step - 1] == pytest.approx(loss.item(), rel=1e-4)
        (gradient,) = torch.autograd.grad(loss, row)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        with torch.no_grad():
            row -= 0.02 * first / (1 - 0.9**step) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    torch.testing.assert_close(result.embedding, row.detach()[0], rtol=0, atol=2e-3)
    assert result.token == TOKEN and torch.equal(result.snapshots[0], word)


def test_the_held_out_loss_is_the_mean_over_images_and_evenly_spaced_times(folder) -> None:
    pipe = load_inpainting(str(folder))
    prompts = ["a photo of a duck", "a crow", "a bird in the forest"]
    found = held_out_loss(pipe, pictures(5), boxes(5), prompts, seed=2)
    examples, states = encode_examples(pipe, pictures(5), boxes(5)), pipe.text_encoder(prompt_ids(pipe, prompts))[0]
    noise = torch.randn(40, 4, 32, 32, generator=stage_generator("held-out noise", 2))
    with torch.no_grad():
        losses = [
            denoising_losses(
                pipe,
                examples,
                torch.tensor([n // 8]),
                states[[n // 8 % 3]],
                torch.tensor([62 + 125 * (n % 8)]),
                noise[[n]],
            ).item()
            for n in range(40)
        ]
    assert found == pytest.approx(np.mean(losses), rel=1e-5)
    assert held_out_loss(pipe, pictures(5), boxes(5), prompts, seed=3) != pytest.approx(found, rel=1e-5)


def test_what_is_learned_is_held_out_against_the_same_draw(folder) -> None:
    pipe = load_inpainting(str(folder))
    result = learn(pipe, steps=4, learning_rate=0.1)
    for embedding, told in ((result.initial, result.held_out_before), (result.embedding, result.held_out_after)):
        known = load_inpainting(str(folder))
        add_embedding(known, TOKEN, embedding)
        prompts = [template.format(TOKEN) for template in TEMPLATES]
        assert held_out_loss(known, pictures(4), boxes(4), prompts, 0) == pytest.approx(told, rel=1e-5)
    assert result.held_out_before != pytest.approx(result.held_out_after, rel=1e-4)


def test_a_text_to_image_denoiser_sees_no_mask(tmp_path) -> None:
    pipe = load_inpainting(str(make_inpainting(tmp_path, in_channels=4, prediction_type="epsilon")))
    examples = encode_examples(pipe, pictures(3), None)
    assert examples.latents.shape == (3, 4, 32, 32) and examples.condition.shape == (3, 0, 32, 32)
    assert not examples.latents.is_inference() and not examples.condition.is_inference()
    assert learn(pipe, steps=1, masks=None).losses.shape == (1,)
    pipe.unet.register_to_config(in_channels=5)
    with pytest.raises(InputError, match="5 input channels"):
        encode_examples(pipe, pictures(1), None)


def test_many_images_are_encoded_as_few(folder) -> None:
    pipe = load_inpainting(str(folder))
    together, alone = (
        encode_examples(pipe, pictures(18), boxes(18)),
        encode_examples(pipe, pictures(18)[17:], boxes(18)[17:]),
    )
    torch.testing.assert_close(together.latents[17:], alone.latents, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together.condition[17:], alone.condition, rtol=1e-4, atol=1e-4)


def test_a_denoiser_that_predicts_something_else_is_refused(folder) -> None:
    pipe = load_inpainting(str(folder))
    pipe.scheduler.register_to_config(prediction_type="sample")
    with pytest.raises(InputError, match="prediction type 'sample'"):
        learn(pipe, steps=1)


def test_models_are_frozen_and_evaluated_while_it_learns_and_then_as_before(folder, monkeypatch) -> None:
    pipe = load_inpainting(str(folder))
    pipe.unet.train()
    pipe.text_encoder.eval()
    pipe.unet.conv_in.requires_grad_(False)
    seen = []
    hook = pipe.unet.register_forward_pre_hook(
        lambda unet, _: seen.append(
            (
                unet.training,
                pipe.text_encoder.training,
                any(p.requires_grad for m in (unet, pipe.text_encoder) for p in m.parameters()),
            )
        )
    )
    learn(pipe, steps=1)
    hook.remove()
    assert set(seen) == {(False, False, False)}
    assert pipe.unet.training and not pipe.text_encoder.training
    assert {name for name, p in pipe.unet.named_parameters() if not p.requires_grad} == {
        "conv_in.weight",
        "conv_in.bias",
    }
    assert all(p.requires_grad for p in pipe.text_encoder.parameters())
    assert not pipe.text_encoder.get_input_embeddings()._forward_hooks

"""The classifier loads, predicts and comes back from its file; what is wrong is named."""

import subprocess
import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.models import ResNet50_Weights
from transformers import ResNetConfig, ResNetModel

from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.models.classifier import load_classifier, load_trained, predict_logits, save_classifier
from dbb.transforms import normalise, random_flip

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("backbone")
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
    ResNetModel(config).half().save_pretrained(folder)
    return str(folder)


def image_set(n, size=16):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    labels, attributes = rng.integers(0, 2, (2, n))
    return ImageSet(ArrayPixels(pixels), labels, attributes, 2, np.arange(n))


def test_normalise_is_share_less_mean_over_deviation():
    pixels = image_set(3).pixels([0, 1, 2], 16)
    expected = (pixels.double() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    result = normalise(pixels, MEAN, STD)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.double(), expected, atol=1e-5, rtol=0)


def test_random_flip_mirrors_about_half_and_changes_nothing_else():
    batch = torch.arange(400 * 2 * 3).view(400, 1, 2, 3)
    flipped = random_flip(batch, torch.Generator().manual_seed(0))
    mirrored = (flipped == batch.flip(-1)).flatten(1).all(1)
    kept = (flipped == batch).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 150 < mirrored.sum() < 250


def test_a_new_head_is_drawn_from_the_seed_on_the_same_backbone(backbone):
    first, again, other = (load_classifier(backbone, 3, seed) for seed in (0, 0, 1))
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
    assert first.head.weight.abs().max() <= 8**-0.5
    assert all(torch.equal(a, b) for a, b in zip(first.backbone.parameters(), other.backbone.parameters(), strict=True))
    assert first.head.weight.dtype == next(first.backbone.parameters()).dtype == torch.float32


def test_logits_are_the_heads_of_the_pooled_features(backbone):
    model = load_classifier(backbone, 3, 0).eval()
    x = torch.randn(5, 3, 40, 24)
    reference = ResNetModel.from_pretrained(backbone, dtype=torch.float32).eval()
    features = reference(x).last_hidden_state.mean(dim=(2, 3))
    torch.testing.assert_close(model.features(x), features, atol=1e-5, rtol=1e-5)
    logits = features @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(x), logits, atol=1e-5, rtol=1e-5)


def test_predictions_do_not_depend_on_the_batch_size_nor_leave_a_trace(backbone):
    model = load_classifier(backbone, 2, 0).train()
    images = image_set(11)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    logits = predict_logits(model, images, InputFormat(16, MEAN, STD), batch_size=4)
    assert logits.shape == (11, 2)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, predict_logits(model, images, InputFormat(16, MEAN, STD)), atol=1e-5, rtol=1e-5)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with pytest.raises(InputError, match="no images"):
        predict_logits(model, images.subset([]), InputFormat(16, MEAN, STD))


def test_a_saved_classifier_comes_back_bit_for_bit(backbone, tmp_path):
    model = load_classifier(backbone, 3, 7)
    save_classifier(tmp_path / "model.safetensors", model)
    loaded = load_trained(tmp_path / "model.safetensors", backbone, 3)
    assert not loaded.training
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    with pytest.raises(InputError, match="no classifier of 2 classes"):
        load_trained(tmp_path / "model.safetensors", backbone, 2)


def test_a_missing_or_broken_backbone_is_named(backbone, tmp_path):
    with pytest.raises(InputError, match=r"nowhere.*torchvision:resnet50"):
        load_classifier(str(tmp_path / "nowhere"), 2, 0)
    ResNetConfig.from_pretrained(backbone).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="not a readable ResNetModel"):
        load_classifier(str(tmp_path), 2, 0)
    (tmp_path / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(InputError, match="not a readable ResNetModel"):
        load_classifier(str(tmp_path), 2, 0)
    shallow, deep = (
        ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, depth], layer_type="basic") for depth in (1, 2)
    )
    ResNetModel(shallow).save_pretrained(tmp_path)
    deep.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="lacks weights"):
        load_classifier(str(tmp_path), 2, 0)


def test_resnet50_at_the_papers_size(tmp_path, monkeypatch):
    from torchvision.models import resnet50

    torch.manual_seed(0)
    imagenet = resnet50().state_dict()
    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", lambda *_, **__: imagenet)
    model = load_classifier("torchvision:resnet50", 2, 0).eval()
    assert torch.equal(model.backbone.conv1.weight, imagenet["conv1.weight"])
    with torch.inference_mode():
        assert model.features(torch.zeros(1, 3, 224, 224)).shape == (1, 2048)
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 2)


def test_imagenet_weights_out_of_reach_give_the_manual_route(monkeypatch):
    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", offline)
    with pytest.raises(InputError, match=r"download https://.*resnet50.*\.pth elsewhere and put it into"):
        load_classifier("torchvision:resnet50", 2, 0)


def test_importing_is_light():
    heavy = "transformers", "torchvision", "diffusers", "pandas", "matplotlib"
    code = f"import sys, dbb.models.checkpoints, dbb.training; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Heat maps against loops, a closed form and autograd through the whole network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from standins import make_backbone
from torch import nn

from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.methods import cam
from dbb.methods.cam import enlarged, feature_maps, heat_maps, packed, scaled, training_heat_maps, unpacked, xgradcam
from dbb.methods.method import Uses
from dbb.models.classifier import Classifier, load_classifier, untrained_classifier
from dbb.transforms import evaluation_input


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Name -> a classifier of 3 classes in float64 and its last stage; batch statistics as of some training."""
    torch.manual_seed(0)
    small = load_classifier(make_backbone(tmp_path_factory.mktemp("backbone")), 3, 0)
    large = untrained_classifier("torchvision:resnet50", 3)
    for module in [*small.modules(), *large.modules()]:
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
    return {
        "folder": (small.double().eval(), small.backbone.resnet.encoder.stages[-1]),
        "torchvision": (large.double().eval(), large.backbone.layer4[-1]),
    }


BACKBONES = pytest.mark.parametrize("name", ["folder", "torchvision"])
IMAGES = random(3, 3, 64, 64, seed=1)


# ------------------------------------------------------------------------------------------------ maths


def heat_by_loops(maps, gradients):
    heat = np.zeros((maps.shape[0], *maps.shape[2:]))
    for b in range(maps.shape[0]):
        for k in range(maps.shape[1]):
            total = maps[b, k].sum() + 1e-7
            heat[b] += (
                sum((g * a / total) for g, a in zip(gradients[b, k].flat, maps[b, k].flat, strict=True)) * maps[b, k]
            )
    return np.maximum(heat, 0)


def resized_by_loops(picture, size):
    """Bilinear, px centres at halves, the border repeated."""
    h, w = picture.shape
    result = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            y = min(max((i + 0.5) * h / size - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / size - 0.5, 0), w - 1)
            top, left = int(y), int(x)
            low, right = min(top + 1, h - 1), min(left + 1, w - 1)
            above = picture[top, left] * (1 - x + left) + picture[top, right] * (x - left)
            below = picture[low, left] * (1 - x + left) + picture[low, right] * (x - left)
            result[i, j] = above * (1 - y + top) + below * (y - top)
    return result


def scaled_by_hand(picture):
    return (picture - picture.min()) / (1e-7 + (picture - picture.min()).max())


@pytest.mark.parametrize("sign", [1, -1])
def test_xgradcam_is_the_sum_of_weighted_maps(sign):
    maps, gradients = random(4, 5, 3, 2).abs(), sign * random(4, 5, 3, 2, seed=1)
    heat = xgradcam(maps, gradients)
    assert heat.dtype == torch.float64 and (heat == 0).any() and (heat > 0).any()
    np.testing.assert_allclose(heat.numpy(), heat_by_loops(maps.numpy(), gradients.numpy()), atol=1e-12)


def test_a_channel_without_activation_has_no_part():
    maps, gradients = random(1, 2, 3, 3).abs(), torch.ones(1, 2, 3, 3, dtype=torch.float64)
    maps[0, 1] = 0
    assert torch.allclose(xgradcam(maps, gradients), maps[:, 0] * maps.sum() / (maps.sum() + 1e-7), atol=1e-12)


def test_heat_is_scaled_then_resized_then_scaled():
    heat = random(3, 4, 3, seed=2).relu() * 7 + torch.tensor([0.0, 2.0, 0.0]).view(3, 1, 1)
    heat[2] = 0.25
    expected = [scaled_by_hand(resized_by_loops(scaled_by_hand(h), 11)) for h in heat.numpy()]
    np.testing.assert_allclose(enlarged(heat, 11).numpy(), expected, atol=1e-12)
    assert not enlarged(heat, 11)[2].any(), "what is flat is 0"


def test_scaling_is_of_each_image_alone_and_keeps_a_tiny_heat_small():
    heat = torch.tensor([[[0.0, 4e-8]], [[3.0, 5.0]]], dtype=torch.float64)
    expected = [[[0, 4e-8 / 1.4e-7]], [[0, 2 / (2 + 1e-7)]]]
    np.testing.assert_allclose(scaled(heat).numpy(), expected, rtol=1e-12)


# ------------------------------------------------------------------------------------------------ networks


@BACKBONES
def test_feature_maps_are_of_the_last_stage_and_their_mean_is_the_features(networks, name):
    model, stage = networks[name]
    kept = []
    with stage.register_forward_hook(lambda module, inputs, output: kept.append(output)), torch.no_grad():
        features = model.features(IMAGES)
    maps = feature_maps(model, IMAGES)
    assert torch.equal(maps, kept[0]) and not maps.requires_grad and maps.shape[2] > 1
    torch.testing.assert_close(maps.mean((2, 3)), features, atol=1e-12, rtol=1e-10)


@BACKBONES
def test_heat_is_that_of_autograd_through_the_network_and_of_the_closed_form(networks, name):
    model, stage = networks[name]
    kept = []
    with stage.register_forward_hook(lambda module, inputs, output: kept.append(output)):
        logits = model(IMAGES)
    said = logits.argmax(1)
    (gradients,) = torch.autograd.grad(sum(logits[i, said[i]] for i in range(3)), kept[0])
    maps, gradients = kept[0].detach().numpy(), gradients.numpy()
    # after average pooling the gradient is the head's weight, the same at every pixel
    expected_gradients = model.head.weight.detach()[said].numpy() / maps[0, 0].size
    np.testing.assert_allclose(gradients, np.broadcast_to(expected_gradients[:, :, None, None], maps.shape), atol=1e-12)
    expected = [scaled_by_hand(resized_by_loops(scaled_by_hand(h), 64)) for h in heat_by_loops(maps, gradients)]
    heat = heat_maps(model, IMAGES)
    assert heat.dtype == torch.float64 and heat.flatten(1).std(1).min() > 0.01
    np.testing.assert_allclose(heat.numpy(), expected, atol=1e-8)


def test_the_class_is_the_predicted_one(networks):
    model, _ = networks["folder"]
    maps = feature_maps(model, IMAGES)
    for label in range(3):
        with torch.no_grad():
            other = Classifier(model.backbone, 16, 3).double()
            other.head.weight.copy_(model.head.weight)
            other.head.bias.copy_(torch.eye(3)[label] * 100)
        gradients = other.head.weight.detach()[label][None, :, None, None].expand_as(maps) / maps[0, 0].numel()
        expected = enlarged(xgradcam(maps, gradients), 64)
        torch.testing.assert_close(heat_maps(other, IMAGES), expected, atol=1e-9, rtol=0)


def test_a_model_is_put_in_evaluation_mode_and_gets_no_gradient(networks):
    model, _ = networks["folder"]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    expected = heat_maps(model, IMAGES)
    heat = heat_maps(model.train(), IMAGES)
    assert torch.equal(heat, expected) and not heat.requires_grad and not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_an_image_s_heat_does_not_depend_on_the_others(networks):
    model, _ = networks["folder"]
    torch.testing.assert_close(heat_maps(model, IMAGES)[1:2], heat_maps(model, IMAGES[1:2]), atol=1e-8, rtol=0)


def test_a_backbone_without_pooling_is_refused():
    with pytest.raises(InputError, match="ends by average pooling: Sequential"):
        heat_maps(Classifier(nn.Sequential(nn.Flatten()), 12, 2), torch.zeros(1, 3, 2, 2))


def test_training_images_are_gone_through_in_order_as_the_model_sees_them(given, few, monkeypatch):
    monkeypatch.setattr(cam, "IMAGES_AT_ONCE", 32)
    this = given(Uses.NOTHING, benchmark=replace(few, input_format=InputFormat(12, (0.5,) * 3, (0.25,) * 3, margin=4)))
    parts = list(training_heat_maps(this, this.base()))
    assert [len(positions) for positions, _, _ in parts] == [32, 32, 6]
    assert np.concatenate([positions for positions, _, _ in parts]).tolist() == list(range(70))
    expected = evaluation_input(this.train_set.pixels(range(70), 16), this.benchmark.input_format)
    assert torch.equal(torch.cat([images for _, images, _ in parts]), expected) and expected.shape[-1] == 12
    torch.testing.assert_close(torch.cat([heat for *_, heat in parts]), heat_maps(this.base(), expected))


@pytest.mark.parametrize("size", [8, 13])
def test_packed_masks_come_back(size):
    masks = random(3, size, size) > 0
    assert packed(masks).shape == (3, size, -(-size // 8)) and packed(masks).dtype == torch.uint8
    assert torch.equal(unpacked(packed(masks)), masks)

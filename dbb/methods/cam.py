"""XGradCAM heat maps: where a classifier looks for the class that it predicts. The steps are those of the package
grad-cam at 1.3.7, which MaskTune and DaC call.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.models.classifier import Classifier
from dbb.transforms import evaluation_input

EPSILON = 1e-7
IMAGES_AT_ONCE = 64


def xgradcam(maps: Float[Tensor, "B D h w"], gradients: Float[Tensor, "B D h w"]) -> Float[Tensor, "B h w"]:
    """Return ReLU(sum_k alpha_k A_k) with alpha_k = sum(g_k A_k) / (sum(A_k) + 1e-7), sums over pixels.

    Args:
        maps: A, feature maps of the last layer.
        gradients: g, of a class's logit with respect to them.
    """
    weights = (gradients * maps).sum((2, 3)) / (maps.sum((2, 3)) + EPSILON)
    return torch.einsum("bd,bdhw->bhw", weights, maps).relu()


def scaled(heat: Float[Tensor, "B h w"]) -> Float[Tensor, "B h w"]:
    """Return each heat map less its least value, and then over 1e-7 + its greatest: 0..1; one that is flat is 0."""
    above = heat - heat.amin((1, 2), keepdim=True)
    return above / (EPSILON + above.amax((1, 2), keepdim=True))


def enlarged(heat: Float[Tensor, "B h w"], size: int) -> Float[Tensor, "B {size} {size}"]:
    """Return heat maps (`xgradcam`) scaled, resized bilinearly to ``size`` px, and scaled again: 0..1."""
    resized = interpolate(scaled(heat)[:, None], (size, size), mode="bilinear", align_corners=False)
    return scaled(resized[:, 0])


@torch.no_grad()
def feature_maps(model: Classifier, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
    """Return the maps that the backbone averages to features, in the mode that the model is in.

    Raises:
        InputError: for a backbone that does not end so.
    """
    pools = [module for module in model.backbone.modules() if isinstance(module, nn.AdaptiveAvgPool2d)]
    if not pools:
        raise InputError(f"heat maps need a backbone that ends by average pooling: {type(model.backbone).__name__}")
    pooled: list[Tensor] = []
    with pools[-1].register_forward_pre_hook(lambda module, inputs: pooled.append(inputs[0])):
        model.features(images)
    return pooled[0]


def heat_maps(model: Classifier, images: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B S S"]:
    """Return where ``model``, put in evaluation mode, looks in normalised images for the class that it predicts: 0..1.
    Only the head is gone back through; no parameter gets a gradient.

    Raises:
        InputError: as `feature_maps`.
    """
    maps = feature_maps(model.eval(), images).requires_grad_()
    logits = model.head(maps.mean((2, 3)))
    (gradients,) = torch.autograd.grad(logits.max(1).values.sum(), maps)
    return enlarged(xgradcam(maps.detach(), gradients), images.shape[-1])


def training_heat_maps(
    given: Given, model: Classifier
) -> Iterator[tuple[Int64[np.ndarray, " B"], Float[Tensor, "B 3 S S"], Float[Tensor, "B S S"]]]:
    """Go through the training images, without augmentation, in their order: positions, images as the model sees them,
    and its heat maps, both on the device of ``given``.
    """
    n = len(given.examples)
    for start in range(0, n, IMAGES_AT_ONCE):
        positions = np.arange(start, min(start + IMAGES_AT_ONCE, n))
        images = evaluation_input(given.examples.pixels(positions).to(given.device), given.benchmark.input_format)
        images = images.contiguous(memory_format=torch.channels_last)
        yield positions, images, heat_maps(model, images)


def packed(masks: Bool[Tensor, "B S S"]) -> UInt8[Tensor, "B S K"]:
    """Return masks with 8 px of a row in a byte, on the CPU."""
    return torch.from_numpy(np.packbits(masks.cpu().numpy(), axis=-1))


def unpacked(masks: UInt8[Tensor, "B S K"]) -> Bool[Tensor, "B S S"]:
    """Return masks from `packed`: they are square."""
    return torch.from_numpy(np.unpackbits(masks.numpy(), axis=-1, count=masks.shape[1])).bool()

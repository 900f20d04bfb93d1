"""The classifier f: a pretrained residual network, from a local folder or torchvision, and a linear head."""

# transformers and torchvision are imported where a model is built: they take seconds, and torchvision does not import
# beside every build of torch; the miniature needs none.

from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import torch
from jaxtyping import Float, Float32
from safetensors import SafetensorError
from torch import Tensor, nn

from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.seeds import stage_generator
from dbb.store import load_weights, resolve, save_weights
from dbb.transforms import evaluation_input

TORCHVISION_RESNET50 = "torchvision:resnet50"


class Classifier(nn.Module):
    """Logits from images: ``head(backbone(x))``.

    Attributes:
        backbone: float (B, 3, H, W) -> features (B, D).
        head: (B, D) -> logits (B, C).
    """

    def __init__(self, backbone: nn.Module, width: int, n_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, n_classes)

    def features(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Return the pooled features of normalised images."""
        return self.backbone(images)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C"]:
        """Return the logits of normalised images."""
        return self.head(self.features(images))

    def reset_head(self, seed: int) -> None:
        """Draw the head anew: uniform within 1/sqrt(D), as `nn.Linear` does, from ``seed``."""
        generator = stage_generator("classifier head", seed)
        bound = self.head.in_features**-0.5
        for parameter in (self.head.weight, self.head.bias):
            values = torch.rand(parameter.shape, generator=generator) * (2 * bound) - bound
            parameter.data.copy_(values)


class _PooledResNet(nn.Module):
    """A transformers `ResNetModel` that returns its pooled output flat, (B, D)."""

    def __init__(self, resnet: nn.Module) -> None:
        super().__init__()
        self.resnet = resnet

    def forward(self, images: Tensor) -> Tensor:
        return self.resnet(images).pooler_output.flatten(1)


def load_classifier(spec: str, n_classes: int, seed: int) -> Classifier:
    """Return a classifier with a pretrained backbone and a new head drawn from ``seed``, on the CPU.

    Args:
        spec: "torchvision:resnet50" (ImageNet weights IMAGENET1K_V1), or a folder of a transformers `ResNetModel`.

    Raises:
        InputError: when the folder is missing or corrupt, or the weights cannot be downloaded.
    """
    if spec == TORCHVISION_RESNET50:
        backbone, width = _torchvision_backbone(pretrained=True)
    else:
        backbone, width = _folder_backbone(_backbone_folder(spec))
    model = Classifier(backbone, width, n_classes)
    model.reset_head(seed)
    return _fast_layout(model)


def save_classifier(path: str | Path, model: Classifier) -> None:
    """Write all weights of ``model`` as safetensors, atomically."""
    save_weights(path, model.state_dict())


def load_trained(path: str | Path, spec: str, n_classes: int) -> Classifier:
    """Return the classifier that `save_classifier` wrote to ``path``, in evaluation mode, on the CPU.

    Args:
        spec, n_classes: what it was made from by `load_classifier`. Nothing is downloaded.

    Raises:
        InputError: when the file is missing, corrupt, or of another architecture.
    """
    state = load_weights(path)
    model = untrained_classifier(spec, n_classes)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path} holds no classifier of {n_classes} classes on {spec}: {error}") from error
    return model.eval()


def untrained_classifier(spec: str, n_classes: int) -> Classifier:
    """Return a classifier of the architecture that ``spec`` names, to load weights into: its own mean nothing. Nothing
    is downloaded.

    Raises:
        InputError: when the folder of ``spec`` is missing.
    """
    if spec == TORCHVISION_RESNET50:
        backbone, width = _torchvision_backbone(pretrained=False)
    else:
        from transformers import ResNetConfig, ResNetModel

        config = ResNetConfig.from_pretrained(_backbone_folder(spec))
        backbone, width = _PooledResNet(ResNetModel(config)), config.hidden_sizes[-1]
    return _fast_layout(Classifier(backbone, width, n_classes))


def _fast_layout(model: Classifier) -> Classifier:
    # Convolutions are faster with channels last, on the CPU and on tensor cores.
    return model.to(memory_format=torch.channels_last)


def _backbone_folder(spec: str) -> Path:
    folder = resolve(spec)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"classifier {spec!r}: no config.json in {folder}: give the folder of a "
            f"transformers ResNetModel, or {TORCHVISION_RESNET50!r}"
        )
    return folder


def _folder_backbone(folder: Path) -> tuple[nn.Module, int]:
    from transformers import ResNetModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a bar for a few megabytes is noise on a page
    try:
        resnet, loading = ResNetModel.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} is not a readable ResNetModel ({error}): restore the folder") from error
    if loading["missing_keys"]:
        raise InputError(
            f"{folder} lacks weights of its ResNetModel, e.g. {min(loading['missing_keys'])}: restore the folder"
        )
    return _PooledResNet(resnet), resnet.config.hidden_sizes[-1]


def _torchvision_backbone(pretrained: bool) -> tuple[nn.Module, int]:
    from torchvision.models import ResNet50_Weights, resnet50

    weights = ResNet50_Weights.IMAGENET1K_V1
    try:
        resnet = resnet50(weights=weights if pretrained else None)
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise InputError(
            f"the ImageNet weights of ResNet-50 could not be had ({error}): download "
            f"{weights.url} elsewhere and put it into {folder}"
        ) from error
    width = resnet.fc.in_features
    resnet.fc = nn.Identity()
    return resnet, width


def predict_logits(
    model: nn.Module, images: ImageSet, input_format: InputFormat, batch_size: int = 256
) -> Float32[Tensor, "N C"]:
    """Return the logits of all ``images``, on the CPU; ``model`` is left as it was.

    Raises:
        InputError: when there is no image.
    """
    return _predict(model, model, images, input_format, batch_size)


def predict_features(
    model: Classifier, images: ImageSet, input_format: InputFormat, batch_size: int = 256
) -> Float32[Tensor, "N D"]:
    """Return the features of all ``images``, otherwise as `predict_logits`.

    Raises:
        InputError: when there is no image.
    """
    return _predict(model, model.features, images, input_format, batch_size)


@torch.inference_mode()
def _predict(
    model: nn.Module, say: Callable[[Tensor], Tensor], images: ImageSet, input_format: InputFormat, batch_size: int
) -> Tensor:
    """Return what ``say``, a part of ``model``, says of all images in evaluation mode."""
    training, device = model.training, next(model.parameters()).device
    model.eval()
    said = []
    for start in range(0, len(images), batch_size):
        pixels = images.pixels(range(start, min(start + batch_size, len(images))), input_format.read_size)
        batch = evaluation_input(pixels.to(device), input_format)
        said.append(say(batch.contiguous(memory_format=torch.channels_last)).float().cpu())
    model.train(training)
    if not said:
        raise InputError("no images to predict: the split is empty")
    return torch.cat(said)

"""Two small ResNets that name what a scene shows: the backbone (a stand-in for ImageNet weights) and the oracle.

The backbone is trained briefly, so that features of shape and of background are both in it; fine-tuning then falls
for the shortcut, as an ImageNet ResNet-50 does on Waterbirds. The oracle is trained for longer, on scenes of its
own, and tells the truth about generated images; no stage of the method sees it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

from dbb.benchmarks.mini_waterbirds import BENCHMARK
from dbb.pretraining.loop import train
from dbb.transforms import evaluation_input
from dbb.worlds.waterbirds.scenes import PLACES, SPECIES
from dbb.worlds.waterbirds.world import Rendered

NO_BIRD = "no bird"
SHAPE: dict[str, Any] = {
    "embedding_size": 32,
    "hidden_sizes": [32, 64, 96, 160],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
BIRD_NAMES = (*SPECIES, NO_BIRD)


class Recogniser(nn.Module):
    """A ResNet with one head for the species (or no bird) and, for the backbone, one for the place."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.backbone = ResNetModel(ResNetConfig(**SHAPE))
        self.head = nn.Linear(SHAPE["hidden_sizes"][-1], outputs)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits, float32 (B, outputs)."""
        return self.head(self.backbone(pixels).pooler_output.flatten(1))


def train_recogniser(
    name: str, rendered: Rendered, epochs: int, work: Path, with_places: bool, batch_size: int = 64
) -> Recogniser:
    """Train to name the bird and, ``with_places``, the place; batches are flipped at random."""
    model = Recogniser(len(BIRD_NAMES) + (len(PLACES) if with_places else 0)).to(memory_format=torch.channels_last)
    birds = torch.tensor([BIRD_NAMES.index(s.species or NO_BIRD) for s in rendered.scenes])
    places = torch.tensor([PLACES.index(s.place) for s in rendered.scenes])
    images = torch.from_numpy(rendered.images).permute(0, 3, 1, 2)

    def loss_of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        numbers = torch.randint(len(images), (batch_size,), generator=generator)
        pixels = evaluation_input(images[numbers], BENCHMARK.input_format)
        if torch.rand((), generator=generator) < 0.5:
            pixels = pixels.flip(-1)
        logits = model(pixels)
        loss = F.cross_entropy(logits[:, : len(BIRD_NAMES)], birds[numbers])
        if with_places:
            loss = loss + F.cross_entropy(logits[:, len(BIRD_NAMES) :], places[numbers])
        return loss

    steps = int(epochs * len(images) // batch_size)
    model.load_state_dict(train(name, model, loss_of_step, steps=steps, learning_rate=2e-3, work=work))
    return model.eval()


def save_backbone(model: Recogniser, folder: Path) -> None:
    """Write the body alone as a transformers `ResNetModel` folder, in half precision."""
    model.backbone.half().save_pretrained(folder)


def save_oracle(model: Recogniser, folder: Path) -> None:
    """Write the whole recogniser as a `ResNetForImageClassification` folder with its class names."""
    labels = dict(enumerate(BIRD_NAMES))
    config = ResNetConfig(**SHAPE, id2label=labels, label2id={name: number for number, name in labels.items()})
    whole = ResNetForImageClassification(config)
    whole.resnet.load_state_dict(model.backbone.state_dict())
    whole.classifier[1].load_state_dict(model.head.state_dict())
    whole.half().save_pretrained(folder)


@torch.inference_mode()
def recogniser_accuracy(model: Recogniser, rendered: Rendered) -> float:
    """Share of scenes, 0..1, whose bird is named rightly."""
    images = torch.from_numpy(rendered.images).permute(0, 3, 1, 2)
    predicted = [
        model(evaluation_input(part, BENCHMARK.input_format))[:, : len(BIRD_NAMES)].argmax(1)
        for part in images.split(256)
    ]
    truth = np.array([BIRD_NAMES.index(s.species or NO_BIRD) for s in rendered.scenes])
    return float((torch.cat(predicted).numpy() == truth).mean())

"""Small ResNets that name what scenes show: the backbone (a stand-in for ImageNet weights) and the oracles.

The backbone sees all worlds, each only as often as leaves fine-tuning to fall for its shortcut, as an ImageNet
ResNet-50 does on the paper's datasets. An oracle is trained for longer, on one world's scenes that nothing else has
seen, and tells the truth about generated images; no stage of the method sees it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

from dbb.benchmarks.entry import IMAGENET_MEAN, IMAGENET_STD
from dbb.input_format import InputFormat
from dbb.pretraining.lessons import Lesson
from dbb.pretraining.loop import train
from dbb.pretraining.scenes import Book
from dbb.transforms import evaluation_input

SHAPE: dict[str, Any] = {
    "embedding_size": 32,
    "hidden_sizes": [32, 64, 96, 160],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
INPUT = InputFormat(64, IMAGENET_MEAN, IMAGENET_STD)
NOT_ASKED = -100  # what cross-entropy passes over


@dataclass(frozen=True)
class Head:
    """One thing that a recogniser names: an attribute of one world's scenes, and its values."""

    world: str
    attribute: str
    values: tuple[Any, ...]

    def targets(self, book: Book) -> torch.Tensor:
        """The values' numbers, int64 (N,), of a book's scenes; -100 in another world's book."""
        if book.lesson.world.name != self.world:
            return torch.full((len(book),), NOT_ASKED)
        return torch.tensor([self.values.index(getattr(scene, self.attribute)) for scene in book.rendered.scenes])


def backbone_heads(lessons: Sequence[Lesson]) -> list[Head]:
    """Every attribute that a lesson has named."""
    return [Head(lesson.world.name, name, lesson.world.attributes[name]) for lesson in lessons for name in lesson.named]


def oracle_heads(lesson: Lesson) -> list[Head]:
    """The kinds of a world, class by class, and none."""
    return [Head(lesson.world.name, lesson.kind, (*lesson.kinds, None))]


class Recogniser(nn.Module):
    """A ResNet with a head for each thing that it names."""

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        self.sizes = [len(head.values) for head in heads]
        self.backbone = ResNetModel(ResNetConfig(**SHAPE))
        self.head = nn.Linear(SHAPE["hidden_sizes"][-1], sum(self.sizes))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits of each head, float32 (B, values)."""
        return self.head(self.backbone(pixels).pooler_output.flatten(1)).split(self.sizes, dim=1)


def train_recogniser(
    name: str, books: Sequence[Book], heads: Sequence[Head], epochs: Sequence[float], work: Path, batch_size: int = 64
) -> Recogniser:
    """Train to name what each book's heads ask, each book for its ``epochs``; batches are flipped at random."""
    model = Recogniser(heads).to(memory_format=torch.channels_last)
    images = torch.from_numpy(np.concatenate([book.rendered.images for book in books])).permute(0, 3, 1, 2)
    targets = [torch.cat([head.targets(book) for book in books]) for head in heads]
    often = torch.cat([torch.full((len(book),), float(n)) for book, n in zip(books, epochs, strict=True)])

    def draw(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(step)
        numbers = torch.multinomial(often, batch_size, replacement=True, generator=generator)
        pixels = evaluation_input(images[numbers], INPUT)
        return numbers, pixels.flip(-1) if torch.rand((), generator=generator) < 0.5 else pixels

    def loss_of(drawn: tuple[torch.Tensor, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        numbers, pixels = drawn
        return sum(
            (
                F.cross_entropy(logits, asked[numbers], ignore_index=NOT_ASKED, reduction="sum")
                for logits, asked in zip(model(pixels), targets, strict=True)
            ),
            torch.zeros(()),
        ) / len(numbers)

    steps = int(often.sum() // batch_size)
    model.load_state_dict(train(name, model, draw, loss_of, steps=steps, learning_rate=2e-3, work=work))
    return model.eval()


def save_backbone(model: Recogniser, folder: Path) -> None:
    """Write the body alone as a transformers `ResNetModel` folder, in half precision."""
    model.backbone.half().save_pretrained(folder)


def save_oracle(model: Recogniser, lesson: Lesson, folder: Path) -> None:
    """Write the whole recogniser as a `ResNetForImageClassification` folder with its class names."""
    labels = dict(enumerate((*lesson.kinds, lesson.absent)))
    config = ResNetConfig(**SHAPE, id2label=labels, label2id={name: number for number, name in labels.items()})
    whole = ResNetForImageClassification(config)
    whole.resnet.load_state_dict(model.backbone.state_dict())
    whole.classifier[1].load_state_dict(model.head.state_dict())
    whole.half().save_pretrained(folder)


@torch.inference_mode()
def recogniser_accuracy(model: Recogniser, heads: Sequence[Head], books: Sequence[Book]) -> dict[str, float]:
    """Share of scenes, 0..1, for which a head's attribute is named rightly: ``{"waterbirds_species": ...}``."""
    right: dict[str, float] = {}
    for book in books:
        images = torch.from_numpy(book.rendered.images).permute(0, 3, 1, 2)
        parts = [model(evaluation_input(part, INPUT)) for part in images.split(256)]
        logits = [torch.cat(of_head) for of_head in zip(*parts, strict=True)]
        for head, of_head in zip(heads, logits, strict=True):
            if head.world == book.lesson.world.name:
                share = (of_head.argmax(1) == head.targets(book)).float().mean()
                right[f"{head.world}_{head.attribute}"] = float(share)
    return right

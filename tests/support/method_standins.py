"""What the tests of several compared methods train on."""

import numpy as np
import torch
from standins import bright_and_dark
from torch import nn

from dbb.data.images import ImageSet
from dbb.training import Batch


class Table(nn.Module):
    """Says of an image all of whose pixels are i the row i of its table."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.head = nn.Linear(1, 1, dtype=logits.dtype)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits[images[:, 0, 0, 0].long()]


def batch(indices, labels) -> Batch:
    """The images at ``indices``, as `Table` reads them."""
    at = torch.as_tensor(indices)
    images = at.float()[:, None, None, None].expand(-1, 3, 2, 2)
    return Batch(images, labels[at], torch.zeros_like(at), at)


def uneven() -> ImageSet:
    """40, 6 and 20 pictures of groups 0 to 2, none of group 3."""
    images = bright_and_dark(200, 0)
    kept = [np.flatnonzero(images.groups == group)[:n] for group, n in enumerate((40, 6, 20, 0))]
    return images.subset(np.concatenate(kept))

"""The training scenes of each embedded model, rendered once and kept in the working folder."""

from pathlib import Path

import numpy as np
import torch

from dbb.models.inpainting import to_signed
from dbb.store import atomic_path
from dbb.worlds.waterbirds.world import Rendered, random_scenes, render_all


def training_scenes(block: str, count: int, empty_share: float, work: Path) -> Rendered:
    """Return ``count`` scenes of a block, rendered now or read from ``work``."""
    scenes = tuple(random_scenes(block, count, empty_share))
    path = work / f"{block}-{count}-{empty_share}.npz"
    if not path.exists():
        rendered = render_all(scenes)
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, images=rendered.images, masks=rendered.masks)
    with np.load(path) as stored:
        return Rendered(scenes, stored["images"], stored["masks"])


def as_pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 (B, S, S, 3) to float32 (B, 3, S, S) in [-1, 1], as diffusion models take it."""
    return to_signed(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2))

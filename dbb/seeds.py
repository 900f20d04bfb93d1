"""Where randomness comes from: every image and every stage has its own seed, a hash of its names."""

import hashlib
import random

import numpy as np
import torch


def _hash63(*parts: str | int) -> int:
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def image_seed(benchmark: str, run_seed: int, source_id: int, target_class: int) -> int:
    """Return the seed (0..2**63-1) of one generated image, so that it can be made again alone.

    Args:
        source_id: the original's index in the training split.
        target_class: the class it is generated into.
    """
    return _hash63(benchmark, int(run_seed), int(source_id), int(target_class))


def stage_generator(*names: str | int) -> torch.Generator:
    """Return a CPU generator seeded by ``names``, e.g. ("erm", run_seed, epoch): another stream for each."""
    return torch.Generator().manual_seed(_hash63(*names))


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch, for libraries that draw from them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - it is the global generator that libraries use
    torch.manual_seed(seed)

"""What every segmenter gives back, and what the ones that find boxes have in common."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float32, UInt8
from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedConfig

from dbb.errors import InputError
from dbb.models.sources import Source, quiet_loading

BATCH_SIZE = 8
"""Images of 512 px at a time: what detector and image encoder take besides their weights fits a GPU of 16 GB."""

TEXT_THRESHOLD = 0.25
"""Score above which a word labels a box (lang_sam's default); it has no part in which boxes are kept."""


@dataclass(frozen=True)
class Candidates:
    """What a segmenter proposes for one image.

    Attributes:
        masks: K may be 0.
        scores: 0..1, the higher the surer.
    """

    masks: Bool[Tensor, "K S S"]
    scores: Float32[Tensor, " K"]


class Segmenter(Protocol):
    """A language segmenter: a prompt and images in, candidate masks out."""

    def segment(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> list[Candidates]:
        """Return the candidates for ``prompt`` in each of the images."""
        ...

    def heat(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> Float32[Tensor, "B S S"]:
        """Return how strongly each pixel of the images answers ``prompt``, 0..1."""
        ...


def nothing(size: int) -> Candidates:
    """Return no candidates for an image of ``size`` px."""
    return Candidates(torch.zeros(0, size, size, dtype=torch.bool), torch.zeros(0))


def box_heat(found: Sequence[Candidates]) -> Float32[Tensor, "B S S"]:
    """Return at each pixel the highest score of a candidate whose mask covers it, else 0."""
    return torch.stack([_highest(candidates) for candidates in found])


def _highest(candidates: Candidates) -> Float32[Tensor, "S S"]:
    heat = torch.zeros(candidates.masks.shape[-2:])
    for mask, score in zip(candidates.masks, candidates.scores, strict=True):
        heat[mask] = heat[mask].clamp(min=score)
    return heat


def grounding_prompt(prompt: str) -> str:
    """Return ``prompt`` as GroundingDINO was trained on: lower case, ended by a full stop."""
    return prompt.strip().lower().rstrip(". ") + "."


@contextmanager
def loading(source: Source, what: str) -> Iterator[None]:
    """Load quietly, and turn what the libraries raise into an InputError that names the model and the way out."""
    try:
        with quiet_loading():
            yield
    except InputError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"cannot load the {what} {source.name} ({error}): {source.remedy}") from error


def model_type(source: Source, known: Sequence[str], what: str) -> str:
    """Return the type in the model's config.json.

    Raises:
        InputError: for one that is not ``known``: transformers would give it random weights, and only warn.
        OSError: when there is no such file.
    """
    config, _ = PreTrainedConfig.get_config_dict(source.name, revision=source.revision or "main")
    kind = config.get("model_type")
    if kind is None:  # get_config_dict passes over a missing file
        raise OSError("no config.json that names a model_type")
    if kind not in known:
        raise InputError(
            f"{source.name} holds a model of type {kind!r}, no {what}: give one of type {' or '.join(known)}"
        )
    return kind

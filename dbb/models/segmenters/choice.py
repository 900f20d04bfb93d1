"""Which segmenter a benchmark's or a user's word stands for."""

import logging

import torch

from dbb.errors import InputError
from dbb.models.segmenters.base import Segmenter
from dbb.models.segmenters.clipseg import load_clipseg
from dbb.models.segmenters.grounded import GroundedSAMSegmenter, load_grounded_sam
from dbb.models.segmenters.langsam import load_lang_sam
from dbb.models.sources import find_source
from dbb.store import resolve

GROUNDING_DINO = "IDEA-Research/grounding-dino-base@12bdfa3120f3e7ec7b434d90674b3396eccf88eb"
"""The detector of lang_sam at commit 918043e (its models/gdino.py)."""

SAM = "facebook/sam2.1-hiera-small@e07df6aa19f5c6545121551bf89957b7663ee715"
"""The SAM that lang_sam at commit 918043e takes by default. Its first version had SAM ViT-H, which is
facebook/sam-vit-huge@87aecf0df4ce6b30cd7de76e87673c49644bdf67.
"""

CHOICES = (
    "'lang-sam', 'grounded-sam', 'grounded-sam:DETECTOR,SAM' (each a folder or \"owner/name@revision\"), "
    "or the folder of a CLIPSeg"
)

_logger = logging.getLogger("dbb.models.segmenters")


def load_segmenter(spec: str, threshold: float, device: str | torch.device = "cpu") -> Segmenter:
    """Load the segmenter that ``spec`` names, ready to use.

    Args:
        spec: "lang-sam", the installed package, or, where there is none, the same models through transformers (the
            logger "dbb.models.segmenters", level INFO, says which); "grounded-sam", these models in any case;
            "grounded-sam:DETECTOR,SAM", a GroundingDINO and a SAM or SAM 2, each a local folder or a Hub repository
            "owner/name@revision"; or the local folder of a CLIPSeg.
        threshold: 0..1, score above which a box (CLIPSeg: a pixel) counts.

    Raises:
        InputError: for another ``spec`` or ``threshold``, for a missing or incomplete model, or when the Hub cannot be
            reached.
    """
    if not 0 < threshold < 1:
        raise InputError(f"mask threshold {threshold} is no probability: give a value between 0 and 1")
    kind, _, models = spec.partition(":")
    if spec == "lang-sam":
        return _lang_sam_or_the_same(threshold, device)
    if kind == "grounded-sam":
        return _grounded_sam(models or f"{GROUNDING_DINO},{SAM}", threshold, device)
    if not resolve(spec).is_dir():
        raise InputError(f"no segmenter {spec!r}: give {CHOICES}")
    return load_clipseg(find_source(spec, "segmenter"), threshold, device)


def _grounded_sam(models: str, threshold: float, device: str | torch.device) -> GroundedSAMSegmenter:
    detector, _, sam = (part.strip() for part in models.partition(","))
    if not detector or not sam or "," in sam:
        raise InputError(f"no segmenter 'grounded-sam:{models}': give {CHOICES}")
    return load_grounded_sam(find_source(detector, "GroundingDINO"), find_source(sam, "SAM"), threshold, device)


def _lang_sam_or_the_same(threshold: float, device: str | torch.device) -> Segmenter:
    try:
        segmenter = load_lang_sam(threshold, device)
    except ImportError as error:
        _logger.info(
            "segmenter lang-sam: not installed (%s), its models through transformers: %s, %s",
            error,
            GROUNDING_DINO,
            SAM,
        )
        return load_segmenter("grounded-sam", threshold, device)
    _logger.info("segmenter lang-sam: the installed package lang_sam")
    return segmenter

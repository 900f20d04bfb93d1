"""The entry of a benchmark: everything that a stage must know about a dataset and the models that go with it.

A stage never asks which benchmark it runs on; it takes values from the entry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from dbb.data.dataset import Dataset, Files
from dbb.errors import InputError
from dbb.input_format import InputFormat

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

VALIDATION_MINORITY, HIGH_LOSS = "validation minority", "high loss"
SOURCES = (VALIDATION_MINORITY, HIGH_LOSS)
"""Where a token's images come from: the validation split's group labels, or the highest training losses."""

Score = Literal["probability", "logit"]
SCORES: tuple[Score, ...] = ("probability", "logit")
"""What the classifier says of a class: its softmax probability, or its logit."""


@dataclass(frozen=True)
class TrainingSettings:
    """Training of the base classifier: plain cross-entropy.

    Attributes:
        optimiser: "adamw", "adam" or "sgd" (momentum 0.9).
        schedule: "cosine" or "constant".
        augmentation: "none", "flip" or "crop" (`dbb.transforms.training_input`).
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
    """Textual inversion, eq. 1.

    Attributes:
        images: inversion-set size per class.
        initial_word: where a token starts.
        vectors: embeddings per token (the paper: 1).
        source: one of `SOURCES`.
    """

    images: int
    steps: int
    batch_size: int
    learning_rate: float
    initial_word: str
    vectors: int = 1
    source: str = VALIDATION_MINORITY


@dataclass(frozen=True)
class MaskSettings:
    """Language masks.

    Attributes:
        threshold: score above which a pixel (or a detected box) counts.
        pad: px added around.
        box: replace the padded mask by its bounding box.
        min_area: smaller masks (share of the image) are failures.
        choice: of several, the "best" or the "first" (`dbb.stages.masks.choose_mask`).
    """

    threshold: float
    pad: int
    box: bool
    min_area: float
    choice: str = "best"


@dataclass(frozen=True)
class GenerationSettings:
    """Inpainting, eq. 2.

    Attributes:
        per_class: K lowest-loss samples of each source class.
        sampler: a name of `dbb.models.inpainting.SAMPLERS`.
        pairs: the (source class, target class) pairs that are painted; None: all ordered pairs.
    """

    per_class: tuple[int, ...]
    steps: int
    guidance_scale: float
    batch_size: int
    sampler: str = "dpm-solver++"
    pairs: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class PruningSettings:
    """Bicephalous pruning, eq. 3-5.

    Attributes:
        thresholds: P per TARGET class; None: the ``quantile`` of the run's own scores.
        on: what eq. 4 attributes, the "probability" or the "logit" of the new class.
        steps: points of its integral.
    """

    quantile: float
    thresholds: tuple[float | None, ...]
    on: Score
    steps: int


@dataclass(frozen=True)
class RetrainingSettings(TrainingSettings):
    """Eq. 6-8.

    Attributes:
        gammas: weight of the images generated INTO each class.
    """

    gammas: tuple[float, ...] = field(kw_only=True)


@dataclass(frozen=True)
class Words:
    """What a text-to-image model is told of a benchmark by those compared methods that paint from words alone.

    Attributes:
        classes: for each class the words that its members are called by.
        attributes: for each attribute likewise.
        sentence: a prompt with places, {0} for a word of a class and {1} for one of an attribute.
        concepts: category -> prompts, each for one thing that pictures may show whatever their class.
    """

    classes: tuple[tuple[str, ...], ...]
    attributes: tuple[tuple[str, ...], ...]
    sentence: str
    concepts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def prompts(self, label: int, attribute: int) -> tuple[str, ...]:
        """Return the prompts for class ``label`` with ``attribute``: one for each pair of their words."""
        pairs = product(self.classes[label], self.attributes[attribute])
        return tuple(self.sentence.format(*pair) for pair in pairs)


@dataclass(frozen=True)
class Benchmark:
    """One dataset with its words, sizes, models and settings.

    Attributes:
        data: where the splits come from.
        classes, attributes: names of y and of a; the group g = len(attributes) * y + a; one attribute "" where none is
            known, so that the groups are the classes.
        group_format: how the name of a group is made of the two, class first.
        class_word: the [class word] of the paper's prompt templates.
        mask_prompt: the segmenter's prompt.
        templates: prompts with a place ``{}`` for the token; the first one also generates.
        input_format: what the classifier is given of a picture.
        generation_size: px, of the text-to-image model.
        classifier, inpainting, segmenter: which models, as `dbb.models` loads them.
        oracle: folder of a judge of generated images, None where the truth is not known.
        oracle_labels: for each class, what the judge calls its members.
        words: what the text-to-image model knows classes and attributes by; None: their names.

    Raises:
        InputError: when a setting does not fit the classes.
    """

    name: str
    title: str
    data: Dataset
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    group_format: str
    class_word: str
    mask_prompt: str
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
    oracle_labels: tuple[tuple[str, ...], ...] = ()
    words: Words | None = None

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise InputError(f"{self.name}: classes {list(self.classes)}: name two or more, each once")
        if len(set(self.attributes)) < len(self.attributes) or not self.attributes:
            raise InputError(f"{self.name}: attributes {list(self.attributes)}: name each once")
        per_class = {
            "generation.per_class (K)": self.generation.per_class,
            "pruning.thresholds (P)": self.pruning.thresholds,
            "retraining.gammas": self.retraining.gammas,
        }
        for what, values in per_class.items():
            self.check_per_class(what, values)
        if self.oracle is not None:
            self.check_per_class("oracle_labels", self.oracle_labels)
        for source, target in self.generation.pairs or ():
            if source == target or not {source, target} <= set(range(len(self.classes))):
                raise InputError(
                    f"{self.name}: generation.pairs has ({source}, {target}): give two different of the "
                    f"classes 0 to {len(self.classes) - 1}"
                )
        for template in self.templates:
            if template.count("{}") != 1:
                raise InputError(f"{self.name}: the prompt {template!r} needs one {{}}, where the token goes")
        if self.inversion.source not in SOURCES:
            raise InputError(
                f"{self.name}: inversion.source {self.inversion.source!r}: choose one of {', '.join(SOURCES)}"
            )
        if self.words is not None:
            self._check_words(self.words)

    def _check_words(self, words: Words) -> None:
        self.check_per_class("words.classes", words.classes)
        if len(words.attributes) != len(self.attributes):
            raise InputError(
                f"{self.name}: words.attributes has {len(words.attributes)} values for {len(self.attributes)} "
                f"attributes ({', '.join(self.attributes)}): give one for each"
            )
        if not all((*words.classes, *words.attributes, *words.concepts.values())):
            raise InputError(f"{self.name}: words names nothing for a class, attribute or category: give one or more")
        if "{0}" not in words.sentence or (self.has_groups and "{1}" not in words.sentence):
            raise InputError(
                f"{self.name}: words.sentence {words.sentence!r} needs {{0}}, where a class's word goes, and {{1}}, "
                "where an attribute's goes"
            )

    def check_per_class(self, what: str, values: Sequence[object]) -> None:
        """Raise InputError unless ``values`` has one value for each class."""
        if len(values) != len(self.classes):
            raise InputError(
                f"{self.name}: {what} has {len(values)} values for {len(self.classes)} classes "
                f"({', '.join(self.classes)}): give one for each"
            )

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups in the order g = A * y + a, e.g. "landbird on water"."""
        return tuple(self.group_format.format(c, a) for c in self.classes for a in self.attributes)

    @property
    def full_train_counts(self) -> tuple[int, ...] | None:
        """Images per group of the whole training split, where the one to train on is drawn from it; else None."""
        if not isinstance(self.data, Files) or self.data.draw is None or self.data.counts is None:
            return None
        return self.data.counts["train"]

    @property
    def has_groups(self) -> bool:
        """Whether a spurious attribute is known."""
        return len(self.attributes) > 1

    @property
    def vocabulary(self) -> Words:
        """Its `words`, or the names of its classes and attributes, which then are the concepts, too."""
        if self.words is not None:
            return self.words
        classes, attributes = (tuple((name,) for name in names) for names in (self.classes, self.attributes))
        concepts = {"attributes": self.attributes} if self.has_groups else {}
        return Words(classes, attributes, f"a photo of a {self.group_format}", concepts)

    @property
    def image_size(self) -> int:
        """px, of the classifier's input."""
        return self.input_format.size

    @property
    def read_size(self) -> int:
        """px, at which the classifier's pictures are read (and kept decoded)."""
        return self.input_format.read_size

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The (source class, target class) pairs that are painted, by source."""
        labels = range(len(self.classes))
        return self.generation.pairs or tuple((i, j) for i in labels for j in labels if i != j)

    def placeholder_token(self, label: int) -> str:
        """The placeholder token that textual inversion learns for class ``label``, e.g. "<landbird>"."""
        return f"<{self.classes[label]}>"

    def prompt(self, label: int) -> str:
        """The prompt that paints class ``label`` with its token."""
        return self.templates[0].format(self.placeholder_token(label))


def templates(class_word: str) -> tuple[str, ...]:
    """Return prompts with a place ``{}`` for the token before ``class_word``; the first one also generates."""
    starts = ("a photo of a", "a rendering of a", "a picture of the", "a")
    return tuple(f"{start} {{}} {class_word}" for start in starts)

"""The sections of a user's dataset file that set the stages: the fields of the settings' classes, each checked."""

from collections.abc import Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields
from typing import Any, TypeVar

from dbb.benchmarks.entry import (
    HIGH_LOSS,
    SOURCES,
    Benchmark,
    GenerationSettings,
    InversionSettings,
    MaskSettings,
    PruningSettings,
    RetrainingSettings,
    TrainingSettings,
)
from dbb.benchmarks.fields import (
    MISSING,
    Kind,
    Section,
    Wrong,
    for_each,
    listed,
    number,
    one_of,
    or_none,
    text,
    truth,
    whole,
    within,
)

Settings = TypeVar(
    "Settings",
    TrainingSettings,
    InversionSettings,
    MaskSettings,
    GenerationSettings,
    PruningSettings,
    RetrainingSettings,
)

SECTIONS = {
    "erm": TrainingSettings,
    "inversion": InversionSettings,
    "masks": MaskSettings,
    "generation": GenerationSettings,
    "pruning": PruningSettings,
    "retraining": RetrainingSettings,
}

COUNT, SHARE, NOT_NEGATIVE = within(whole, 1), within(number, 0, 1), within(number, 0)

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("epochs", "batch_size", "images", "steps", "vectors"), COUNT),
    **dict.fromkeys(("threshold", "min_area", "quantile"), SHARE),
    **dict.fromkeys(("weight_decay", "guidance_scale"), NOT_NEGATIVE),
    "learning_rate": within(number, 0, above=True),
    "pad": within(whole, 0),
    "box": truth,
    "initial_word": text,
    "optimiser": one_of("adamw", "adam", "sgd"),
    "schedule": one_of("cosine", "constant"),
    "augmentation": one_of("none", "flip", "crop"),
    "source": one_of(*SOURCES),
    "choice": one_of("best", "first"),
    "sampler": one_of("dpm-solver++", "the model's own"),
    "on": one_of("probability", "logit"),
}
"""What each field must hold, whatever its section."""

PER_CLASS: dict[str, tuple[Kind, Any]] = {
    "per_class": (COUNT, MISSING),
    "thresholds": (or_none(number), None),
    "gammas": (NOT_NEGATIVE, 1.0),
}
"""Fields with a value for each class, and what each is where the extended benchmark has another number of classes; of
K nothing is sensible for all, so it must be given.
"""


def read_settings(
    file: Section, classes: Sequence[str], base: Benchmark | None, has_groups: bool, class_word: str | None
) -> dict[str, Any]:
    """Return the settings of all stages, by the name of their section.

    Args:
        classes: the dataset's.
        base: the benchmark it extends.
        class_word: where the file gives one: tokens start there.

    Raises:
        InputError: for unknown or missing keys and for values that are not what they must be.
    """
    made = {}
    for name, kind in SECTIONS.items():
        inherited = None if base is None else getattr(base, name)
        own: dict[str, Any] = {}
        if name == "inversion":
            own = ({} if has_groups else {"source": HIGH_LOSS}) | ({"initial_word": class_word} if class_word else {})
        made[name] = _read_section(file.section(name), kind, classes, inherited, own)
    if made["inversion"].source != HIGH_LOSS and not has_groups:
        raise file.error(
            "inversion.source", f" {made['inversion'].source!r} needs attributes: name them, or take {HIGH_LOSS!r}"
        )
    return made


def _read_section(
    section: Section, kind: type[Settings], classes: Sequence[str], inherited: Settings | None, own: dict[str, Any]
) -> Settings:
    """Return one stage's settings.

    Args:
        own: values of this dataset that go before the inherited ones.
    """
    section.check_keys([field.name for field in fields(kind)])
    values = {}
    for field in fields(kind):
        fallback = own.get(field.name, _fallback(field, inherited, len(classes)))
        if field.name in PER_CLASS and fallback is MISSING and not section.has(field.name):
            raise section.error(
                field.name,
                f" must be given for these {len(classes)} classes: one number for all of "
                f"them, or a list of {len(classes)}",
            )
        values[field.name] = section.read(field.name, _kind(field.name, classes), fallback)
    return kind(**values)


def _kind(name: str, classes: Sequence[str]) -> Kind:
    if name == "pairs":
        return or_none(_pairs(classes))
    return for_each(PER_CLASS[name][0], len(classes)) if name in PER_CLASS else KINDS[name]


def _fallback(field: Field[Any], inherited: Any, n_classes: int) -> Any:
    value: Any = MISSING if inherited is None else getattr(inherited, field.name)
    if value is MISSING and field.default is not NO_DEFAULT:
        value = field.default
    if field.name == "pairs" and inherited is not None and len(inherited.per_class) != n_classes:
        return None
    if field.name in PER_CLASS and (value is MISSING or len(value) != n_classes):
        single = PER_CLASS[field.name][1]
        return MISSING if single is MISSING else (single,) * n_classes
    return value


def _pairs(classes: Sequence[str]) -> Kind:
    """Pairs of class names, as pairs of labels."""

    def kind(value: Any) -> tuple[tuple[int, int], ...]:
        pairs = listed(listed(one_of(*classes), 2))
        try:
            found = tuple((classes.index(source), classes.index(target)) for source, target in pairs(value))
        except Wrong:
            found = ()
        if not found or any(source == target for source, target in found) or len(set(found)) < len(found):
            raise Wrong(
                f"null, for all of them, or a list of pairs [source, target], each once, of two of {', '.join(classes)}"
            )
        return found

    return kind

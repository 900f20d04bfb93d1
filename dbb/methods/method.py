"""What a compared method is: a name, what it may see, its settings, the grid that it is tuned by, and its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Flag, auto
from itertools import product
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from dbb.benchmarks.entry import Benchmark
from dbb.errors import InputError
from dbb.training import Tensors

if TYPE_CHECKING:
    from dbb.methods.given import Given

TRIALS = 4
"""Settings that every method is tried with: the same number for all."""

WORST_GROUP, AVERAGE = "worst group", "average"
"""The rules by which an epoch and a method's settings are selected on validation."""

Rule = str
S = TypeVar("S")


class Uses(Flag):
    """The group labels that a method sees.

    Attributes:
        SELECTION: of the validation split, to select an epoch and settings by the worst group.
        TRAINING: of the training split.
        VALIDATION: of the validation split, to learn from.
    """

    NOTHING = 0
    SELECTION = auto()
    TRAINING = auto()
    VALIDATION = auto()


@dataclass(frozen=True)
class Times:
    """Values of a grid as multiples of the settings' own value, so that one grid serves both scales.

    Attributes:
        factors: of whole numbers the product is rounded, and 1 at least.
    """

    factors: tuple[float, ...]

    def of(self, value: float) -> list[float]:
        """Return the values to try around ``value``."""
        products = [value * factor for factor in self.factors]
        return [max(1, round(product)) for product in products] if isinstance(value, int) else products


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        weights: rule -> the state of the classifier that it selected.
        steps: rule -> the epoch or step that it selected; empty where there was nothing to select.
        measured: what the method measured on its way, JSON values.
        scores: rule -> the score on validation images that it did not learn from, by which its settings are chosen;
            empty: on all of them.
    """

    weights: Mapping[Rule, Tensors]
    steps: Mapping[Rule, int] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[Rule, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Method(Generic[S]):
    """One compared method.

    Attributes:
        name: of its file, with - for _.
        title: what tables call it.
        cites: its key in the book's references; "" where it is nobody's.
        changes: what it changes of plain training.
        uses: which group labels it sees.
        settings: benchmark -> the settings to begin with: the paper's own where it names some for that benchmark.
        grid: field of the settings -> values to try; all combinations, `TRIALS` of them.
        train: trains once; (what is given, settings) -> what came of it.
        reads: stage -> its files, ``stages.run.ALL`` for all, of those stages on whose products it trains beside the
            data and the base model.
        paints: whether it makes pictures with the benchmark's text-to-image model.
    """

    name: str
    title: str
    cites: str
    changes: Literal["nothing", "data", "sampling", "loss", "last layer"]
    uses: Uses
    settings: Callable[[Benchmark], S]
    grid: Mapping[str, Sequence[Any] | Times]
    train: Callable[[Given, S], Trained]
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    paints: bool = False

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that it is selected by: its own first, and the one that needs no group of the validation split,
        unless it learns from these anyhow.
        """
        if Uses.VALIDATION in self.uses:
            return (WORST_GROUP,)
        return (WORST_GROUP, AVERAGE) if Uses.SELECTION in self.uses else (AVERAGE,)

    def trials(self, benchmark: Benchmark) -> list[S]:
        """Return the settings to try on a benchmark.

        Raises:
            InputError: for a grid with an unknown field, or with another number of combinations than `TRIALS`.
        """
        settings: Any = self.settings(benchmark)
        for name in self.grid:
            if not hasattr(settings, name):
                known = ", ".join(vars(settings))
                raise InputError(f"{self.name}: its grid names {name!r}: choose among {known}")
        values = [v.of(getattr(settings, name)) if isinstance(v, Times) else v for name, v in self.grid.items()]
        combinations = list(product(*values))
        if len(combinations) != TRIALS:
            raise InputError(f"{self.name}: its grid has {len(combinations)} combinations: give {TRIALS}, as all have")
        return [replace(settings, **dict(zip(self.grid, chosen, strict=True))) for chosen in combinations]

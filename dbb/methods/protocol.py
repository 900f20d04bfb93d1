"""One protocol for all methods: the same base model and backbone, the same number of trials on the tuning seed's
validation split, the same rules of selection; then the seeds.

Each training is made or loaded: its folder, below ``runs/<benchmark>/seed<k>/methods/<method>/``, bears the digest of
its settings, so trials and seeds run beside each other, and what was stopped goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dbb.benchmarks.entry import Benchmark
from dbb.code import definition_of
from dbb.errors import InputError
from dbb.methods.given import SCORES, Given
from dbb.methods.method import Method, Rule, Trained, Uses
from dbb.methods.shared import Shared
from dbb.metrics import GroupMetrics, group_counts
from dbb.models.classifier import load_trained, untrained_classifier
from dbb.models.devices import pick_device
from dbb.record import Made, StageRun, digest_of
from dbb.stages.erm import MODEL
from dbb.stages.retraining import read_kept
from dbb.stages.run import Run
from dbb.store import resolve
from dbb.training import measure, remove_checkpoint

TUNING_SEED = 0
"""On its validation split every method's settings are chosen; it is in no table."""


@dataclass(frozen=True)
class Choice:
    """What tuning chose for one rule.

    Attributes:
        settings: the trial's.
        score: on validation.
        trial: its number.
    """

    settings: Any
    score: tuple[float, ...]
    trial: int


def check(method: Method[Any], run: Run) -> None:
    """Check, before any training, that a benchmark has what a method declares to use.

    Raises:
        InputError: for a benchmark without groups, and a validation split that lacks a class, or, where the method uses
            its groups, one of those that will be tested.
    """
    bm, validation = run.benchmark, run.split("val")
    if method.uses & (Uses.TRAINING | Uses.VALIDATION) and not bm.has_groups:
        raise InputError(f"{method.title} needs group labels, and {bm.name} has none: choose a method that needs none")
    counts = np.bincount(validation.labels, minlength=len(bm.classes))
    if not counts.all():
        lacking = ", ".join(bm.classes[label] for label in np.flatnonzero(counts == 0))
        raise InputError(f"the validation split of {bm.name} has no image of {lacking}: no epoch can be selected by it")
    if not method.uses & (Uses.SELECTION | Uses.VALIDATION):
        return
    unseen = np.setdiff1d(run.split("test").groups, validation.groups)
    if len(unseen):
        lacking = ", ".join(bm.group_names[group] for group in unseen)
        raise InputError(
            f"{method.title} uses the validation split's groups, and that of {bm.name} has no image of {lacking}, "
            "which the test split has: choose a method that needs no groups there"
        )


def folder_of(run: Run, method: Method[Any]) -> Path:
    """Return the folder of a method's trainings of a seed."""
    return resolve(run.runs) / run.benchmark.name / f"seed{run.seed}" / "methods" / method.name


def train_once(run: Run, method: Method[Any], settings: Any, test: bool) -> Made:
    """Make or load one training, and what it comes to.

    Metrics: "rules": rule -> "val", "test" (accuracies), "step", "score"; "measured".

    Args:
        test: measure the test split too; else nothing of it is read but which groups it has, for `check`.

    Raises:
        InputError: as `check`, and as the method.
    """
    check(method, run)
    splits = ("train", "val", "test") if test else ("train", "val")
    given = {"method": method.name, "rules": method.rules, "settings": asdict(settings), "test": test}

    def work(stage: StageRun) -> None:
        what = hand_over(run, method, stage)
        done = method.train(what, settings)
        stage.metrics["rules"] = {rule: _measured(run, done, rule, test) for rule in method.rules}
        stage.metrics["measured"] = done.measured
        for left in stage.folder.glob("*.safetensors"):
            remove_checkpoint(left)

    reads: dict[str, tuple[str, ...]] = {"data": splits, "erm": (MODEL,), **method.reads}
    models = {"classifier": run.benchmark.classifier}
    if method.paints:
        models["inpainting"] = run.benchmark.inpainting
    return run.make(
        "methods",
        {**given, **_settings_of(run.benchmark, method.paints)},
        reads,
        work,
        models,
        code=(definition_of(method.train),),
        folder=folder_of(run, method) / digest_of(given)[:12],
    )


def _settings_of(benchmark: Benchmark, paints: bool) -> dict[str, Any]:
    painting = {
        "generation": asdict(benchmark.generation),
        "size": benchmark.generation_size,
        "words": asdict(benchmark.vocabulary),
    }
    return {
        "input": asdict(benchmark.input_format),
        "classes": benchmark.classes,
        "attributes": benchmark.attributes,
        "full_train_counts": benchmark.full_train_counts,
        "painting": painting if paints else None,
    }


def hand_over(run: Run, method: Method[Any], stage: StageRun) -> Given:
    """Return what ``method`` is given of a run, with files in the stage's folder."""
    bm, site = run.benchmark, pick_device(run.device)
    base = run.made("erm").record["products"][MODEL]
    shared = Shared(folder_of(run, method).parent / "shared", digest_of([bm.name, run.seed, base]))
    return Given(
        bm,
        run.seed,
        run.split("train"),
        run.split("val"),
        load_trained(run.folder("erm") / MODEL, bm.classifier, len(bm.classes)).to(site),
        method.uses,
        method.rules,
        site,
        stage.folder,
        stage.stamp,
        shared,
        read_kept(run)[1] if "pruned" in method.reads else None,
    )


def _measured(run: Run, done: Trained, rule: Rule, test: bool) -> dict[str, Any]:
    bm = run.benchmark
    model = untrained_classifier(bm.classifier, len(bm.classes))
    model.load_state_dict(done.weights[rule])
    model = model.to(pick_device(run.device)).eval()
    counts = group_counts(run.split("train").groups, len(bm.group_names))

    def accuracies(split: str) -> GroupMetrics:
        return measure(model, run.split(split), counts, bm.input_format, bm.full_train_counts)

    validation = accuracies("val")
    score = done.scores.get(rule) or np.atleast_1d(SCORES[rule](validation)).tolist()
    told = {"val": validation.as_dict(), "step": done.steps.get(rule), "score": list(score)}
    return told | ({"test": accuracies("test").as_dict()} if test else {})


# ------------------------------------------------------------------------------------------------ tuning


def try_all(run: Run, method: Method[Any]) -> list[Made]:
    """Make or load every trial of the method's grid, measured on the run's validation split, in their order."""
    return [train_once(run, method, settings, test=False) for settings in method.trials(run.benchmark)]


def choose(run: Run, method: Method[Any], tried: Sequence[Made]) -> dict[Rule, Choice]:
    """Return what each rule chooses of the trials (`try_all`): the highest score, of equal ones the first."""
    chosen = {}
    for rule in method.rules:
        scores = [tuple(made.metrics["rules"][rule]["score"]) for made in tried]
        best = max(range(len(tried)), key=lambda number: scores[number])
        chosen[rule] = Choice(method.trials(run.benchmark)[best], scores[best], best)
    return chosen


def tune(run: Run, method: Method[Any]) -> dict[Rule, Choice]:
    """Make or load every trial, and return what each rule chooses."""
    return choose(run, method, try_all(run, method))


def train_seed(run: Run, method: Method[Any], chosen: Mapping[Rule, Choice]) -> dict[Rule, Made]:
    """Make or load the trainings of a seed with the settings that were chosen, one for both rules where they chose
    alike, and return rule -> the training in whose record it stands.
    """
    return {rule: train_once(run, method, choice.settings, test=True) for rule, choice in chosen.items()}

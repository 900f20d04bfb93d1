"""A seed of the study: the method's own stages, the arms beside them, and what is measured on both.

Everything is made or loaded stage by stage, so a seed that was stopped goes on, and one that is run again says what it
found.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dbb.record import Made
from dbb.results import METHOD
from dbb.stages.all import make_stages
from dbb.stages.manifest import CONDITIONS
from dbb.stages.pruning import pruned
from dbb.stages.retraining import retrained
from dbb.stages.run import Run
from dbb.study.arms import ARMS, MORE_ARMS, Arm
from dbb.study.compositing import compositing
from dbb.study.convergence import convergence
from dbb.study.low_loss import low_loss
from dbb.study.scores import scores
from dbb.study.sets import CLASS_WORD, NEEDS, TOKENS, make_set, set_run, set_size
from dbb.study.unseen import unseen
from dbb.study.verdicts import verdicts


def run_seed(run: Run, more: bool, closely: bool) -> Iterator[Made]:
    """Make or load the method's stages, every possible arm, and the tables that are measured on them; yield each.

    Args:
        more: also `dbb.study.arms.MORE_ARMS`.
        closely: also the tables that one seed suffices for (compositing, and the convergence of integrated gradients).
    """
    yield from make_stages(run)
    arms = possible_arms(run, ARMS | (MORE_ARMS if more else {}))
    for name, arm in arms.items():
        yield from make_arm(run, name, arm)
    for pictures in dict.fromkeys(arm.pictures for arm in arms.values() if arm.pictures is not None):
        yield verdicts(run, pictures)
        if pictures == TOKENS or set_size(pictures) is not None:
            yield unseen(run, pictures)
    yield low_loss(run)
    for pictures in (TOKENS, CLASS_WORD):
        yield scores(run, pictures)
    if closely:
        yield compositing(run)
        yield convergence(run)


def possible_arms(run: Run, arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """Return those of ``arms`` for whose pictures the benchmark knows enough: the renderer's controls need a drawn
    one.
    """
    truth = run.split("train").truth
    return {name: arm for name, arm in arms.items() if all(what in truth for what in NEEDS.get(arm.pictures or "", ()))}


def arm_run(run: Run, name: str, arm: Arm) -> Run:
    """Return the run whose stages are those of an arm: what is neither the method's nor its pictures' own lies in
    ``arms/<name>``.
    """
    at = f"arms/{name}"
    if name == METHOD:
        return run
    if arm.pictures is None or (arm.pictures, arm.conditions) == (TOKENS, CONDITIONS):
        return run.elsewhere(retrained=at)
    return set_run(run, arm.pictures).elsewhere(pruned=at, retrained=at)


def make_arm(run: Run, name: str, arm: Arm) -> Iterator[Made]:
    """Make or load what an arm has beside the method's own stages, which must stand, and yield each stage.

    Raises:
        InputError: for an unknown set of pictures, and for one that the benchmark knows too little for.
    """
    for pictures in filter(None, (arm.pictures, arm.originals)):
        yield from make_set(run, pictures)
    here, settings = arm_run(run, name, arm), run.benchmark.retraining
    if "pruned" in here.at:
        yield pruned(here, conditions=arm.conditions)
    yield retrained(
        here,
        replace(settings, gammas=tuple(arm.weight * gamma for gamma in settings.gammas)),
        without=arm.pictures is None,
        originals=None if arm.originals is None else set_run(run, arm.originals),
    )

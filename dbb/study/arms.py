"""The arms of the study as data: on which pictures each retrains, and how they were pruned."""

from dataclasses import dataclass
from typing import Literal

from dbb.results import ERM, METHOD
from dbb.stages.manifest import CONDITIONS, PSI, RHO

SET_SIZES = (10, 20, 40)  # inversion-set sizes beside the benchmark's own, and 0, which is the class word


@dataclass(frozen=True)
class Arm:
    """One retraining of the base model.

    Attributes:
        title: what a table calls it.
        pictures: the name of a set (`dbb.study.sets`), None for no generated picture.
        conditions: which pruning conditions drop pictures, of "psi" (eq. 3) and "rho" (eq. 5).
        weight: factor on eq. 8's gammas.
        originals: the source images, labelled as they were, join the training split once more, as "repeated" or
            "autoencoded" inside their masks.
    """

    title: str
    pictures: str | None
    conditions: tuple[str, ...] = CONDITIONS
    weight: float = 1.0
    originals: Literal["repeated", "autoencoded"] | None = None


ARMS = {
    METHOD: Arm("the method", "tokens"),
    "no-pruning": Arm("without pruning", "tokens", ()),
    "psi-only": Arm("eq. 3 alone", "tokens", (PSI,)),
    "rho-only": Arm("eq. 5 alone", "tokens", (RHO,)),
    "no-inversion": Arm("without textual inversion", "class word"),
    "neither": Arm("without inversion and pruning", "class word", ()),
    "weights-0": Arm("eq. 8 with weights 0", "tokens", weight=0.0),
    "longer": Arm("ERM, as many epochs more", None),
    "blurred": Arm("bird blurred, relabelled", "blurred", ()),
    "renderer": Arm("true renderer as generator", "renderer", ()),
    "repeated": Arm("originals once more", None, originals="repeated"),
    "autoencoded": Arm("autoencoded originals", None, originals="autoencoded"),
    "method-repeated": Arm("the method, originals once more", "tokens", originals="repeated"),
    "method-autoencoded": Arm("the method, autoencoded originals", "tokens", originals="autoencoded"),
}
"""What every seed runs, by the name of its folder."""

MORE_ARMS = {
    **{f"size-{n}": Arm(f"inversion set of {n}", f"tokens {n}") for n in SET_SIZES},
    "erased": Arm("bird erased, relabelled", "erased", ()),
    "true-masks": Arm("true masks", "true masks"),
}
"""What the first seeds run besides: Table 5's sizes, and two controls with pictures of their own."""

TITLES = {ERM: "ERM"} | {name: arm.title for name, arm in (ARMS | MORE_ARMS).items()}


def arms_by_size(images: int) -> dict[int, str]:
    """Return images in the inversion set -> the arm, smallest first, as in Table 5.

    Args:
        images: the benchmark's own.
    """
    return dict(sorted(({0: "no-inversion", images: METHOD} | {n: f"size-{n}" for n in SET_SIZES}).items()))

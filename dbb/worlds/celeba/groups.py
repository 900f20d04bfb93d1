"""The groups: what the class and the sex of a portrait decide, as shares, and what they leave alone.

These shares set how hard the groups are. The less of a man's hair is seen (buzzed, thinning, hats), the more a
classifier leans on his sex instead; the more sandy, ash and light brown there is, the less the colour alone decides.
"""

from collections.abc import Mapping

import numpy as np

from dbb.worlds.celeba.hair import COVERED, TUFTED
from dbb.worlds.celeba.scenes import HATS, PLACES, SEXES, Scene

BLOND_SHARES = {"platinum": 0.16, "golden": 0.16, "honey": 0.16, "straw": 0.16, "sandy": 0.22, "ash": 0.14}
OTHER_SHARES = {
    "black": 0.18,
    "dark brown": 0.2,
    "chestnut": 0.14,
    "auburn": 0.07,
    "light brown": 0.25,
    "ginger": 0.06,
    "grey": 0.08,
    "silver": 0.02,
}
STYLE_SHARES = {
    "woman": {
        "long straight": 0.27,
        "long wavy": 0.33,
        "bobbed": 0.12,
        "tied back": 0.07,
        "tied up": 0.04,
        "curly": 0.07,
        "afro": 0.03,
        "braided": 0.05,
        "pixie": 0.02,
    },
    "man": {
        "buzzed": 0.27,
        "thinning": 0.16,
        "cropped": 0.18,
        "swept back": 0.13,
        "side parted": 0.1,
        "quiffed": 0.06,
        "tousled": 0.05,
        "long straight": 0.03,
        "afro": 0.02,
    },
}
HAT_SHARE = {"woman": 0.06, "man": 0.22}
BARE_SHARE = 0.12  # of the men without a hat whose hair is not blond, those who have lost it in part or wholly
BARE_SHARES = {"bald": 0.6, "thinning": 0.4}
COVERED_SHARE = 0.4  # of the people whose hair is not blond and who wear a hat on short hair, those who show none of it
BEARD_SHARE = 0.5
BEARD_SHARES = {"full": 0.4, "stubble": 0.3, "moustache": 0.15, "goatee": 0.15}
GLASSES_SHARE = 0.18


def draw_face(rng: np.random.Generator, seed: int, blond: bool, man: bool) -> Scene:
    """Draw a portrait of one group.

    Sex decides on cuts, hats and beards. Blond hair is always seen in part; other hair may be lost or hidden by a hat.
    Place, glasses and, by the seed, skin, eyes, clothes and pose know neither hair nor sex.
    """
    sex = SEXES[int(man)]
    shade: str | None = choose(rng, BLOND_SHARES if blond else OTHER_SHARES)
    style, hat = choose(rng, STYLE_SHARES[sex]), None
    if rng.random() < HAT_SHARE[sex]:
        hat = str(rng.choice(HATS))
        style = under_hat(rng, style, blond)
    elif man and not blond and rng.random() < BARE_SHARE:
        style = choose(rng, BARE_SHARES)
    if style == "bald" or (hat and style in COVERED):
        shade = None
    beard = choose(rng, BEARD_SHARES) if man and rng.random() < BEARD_SHARE else None
    return Scene(shade, style, sex, hat, beard, bool(rng.random() < GLASSES_SHARE), str(rng.choice(PLACES)), seed)


def under_hat(rng: np.random.Generator, style: str, blond: bool) -> str:
    """Return the cut that is worn under a hat: short hair shows at the temples or, unless it is blond, not at all."""
    if style not in (*TUFTED, *COVERED):
        return style
    return "buzzed" if not blond and rng.random() < COVERED_SHARE else "cropped"


def choose(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """Draw a name by its share; the shares need not sum to one."""
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))

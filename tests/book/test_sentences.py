"""What the pages say was measured follows from the committed numbers, and no sentence of that kind goes unlooked at.

A new sentence that compares goes into `CLAIMS`, with what must hold for it, or, where it measures nothing, into
`MEASURE_NOTHING`.
"""

from collections.abc import Callable

import numpy as np
import pytest
import sentences
from study_numbers import (
    CLASS_WORD,
    ON_LAND,
    ON_WATER,
    apart_without_compositing,
    blond,
    by_rate,
    by_vectors,
    chosen_less,
    cross,
    decided_by_naming,
    dropped,
    gains_by_pruning,
    in_percent,
    less,
    majority_sources,
    more_than_a_third_without_birds,
    of_random,
    over_seeds,
    paper_gains_by_pruning,
    per_seed,
    reported_row,
    reported_worst,
    results,
    rows_of,
    share,
    softened_by_the_autoencoder,
    softened_by_the_way,
    spread,
    table,
    true_size_stages,
    unseen_change,
    unsure,
    within,
)

from dbb.benchmarks.celeba import COUNTS as CELEBA
from dbb.benchmarks.drawn import share_out
from dbb.benchmarks.mini_celeba import CELEBA_COUNTS
from dbb.benchmarks.mini_celeba import WEIGHTS as PORTRAITS
from dbb.benchmarks.mini_metashift import SIZES as PETS
from dbb.benchmarks.mini_metashift import WEIGHTS as PET_COUNTS
from dbb.benchmarks.mini_waterbirds import SIZES, WATERBIRDS_COUNTS, WEIGHTS
from dbb.report.effect import pictures
from dbb.statistics import interval, percent
from dbb.study.arms import ARMS

PAGES = sentences.pages()
CELEBA_DRAWN = (12426, 11841, *CELEBA["train"][2:])  # Table 7 of the paper


def page(name: str) -> str:
    """The prose of the one page whose file's name begins with ``name``."""
    [path] = [path for path in PAGES if path.rpartition("/")[2].startswith(name)]
    return sentences.one_line(PAGES[path])


Claim = tuple[str, str, Callable[[], bool]]
CLAIMS: list[Claim] = [
    (
        "13",
        "Among the pictures without blond hair women and men are about as many",
        lambda: (
            PORTRAITS["train"] == CELEBA_COUNTS
            and abs(CELEBA_COUNTS[0] / CELEBA_COUNTS[1] - 1) < 0.1
            and CELEBA_COUNTS[2] / CELEBA_COUNTS[3] > 10
        ),
    ),
    (
        "14",
        "in training as many as MetaShift has",
        lambda: sum(PET_COUNTS["train"]) == PETS["train"] and sorted(PET_COUNTS["train"])[-4:] == [145, 231, 367, 380],
    ),
    (
        "01",
        "agrees with the class in 95 % of the training images",
        lambda: round(share_out("train", SIZES["train"], WEIGHTS["train"])[[0, 3]].sum() / SIZES["train"], 2) == 0.95,
    ),
    (
        "09",
        "the most pictures make less than a fifth more of them than none",
        lambda: all((pictures(results(), arm, "generated") < SIZES["train"] / 5).all() for arm in ARMS),
    ),
    ("09", "the base model stands far left of the method", lambda: less("method", "erm").low > 20),
    ("09", "the row without inversion and pruning far left of the base model", lambda: less("erm", "neither").low > 20),
    (
        "09",
        "In every seed the method's worst group stands more than twenty points above the base model's",
        lambda: len(per_seed("method", "erm")) == 5 and per_seed("method", "erm").min() > 20,
    ),
    (
        "09",
        "Both common groups pay for it, by their intervals with less than four points",
        lambda: all(
            -4 < less("method", "erm", group).low <= less("method", "erm", group).high < 0
            for group in (ON_LAND, ON_WATER)
        ),
    ),
    ("09", "Naming the class matters more than pruning", decided_by_naming),
    ("09", "the wrong class more often than the right one", lambda: share("no-inversion", "right").high < 50),
    (
        "09",
        "with the learned tokens more than nine pictures in ten are right",
        lambda: share("method", "right").low > 90,
    ),
    (
        "09",
        "Without pruning, or with one of its conditions, the worst group still stands above that without inversion",
        decided_by_naming,
    ),
    (
        "09",
        "Behind the bare class word it decides: without it the worst group falls even below the base model's",
        lambda: less("neither", "erm").high < 0 < less("no-inversion", "erm").low,
    ),
    (
        "09",
        "Behind learned tokens more than half of what it drops is right",
        lambda: in_percent(dropped("method", True)["such"] / dropped("method", True)["all"]).low > 50,
    ),
    ("09", "No row shows that it gains", lambda: not any(gains_by_pruning())),
    (
        "09",
        "The rows without equation 5 have higher means than the method; but only for “eq. 3 alone” does the "
        "interval leave out 0, and not once all rows are looked at together",
        lambda: (
            less("method", "no-pruning").mean < 0
            and unsure(less("method", "no-pruning"))
            and less("method", "psi-only").high < 0
            and unsure(less("method", "psi-only", rows=rows_of("09")))
        ),
    ),
    (
        "09",
        "The paper reports a gain of 1.7 points from pruning on Waterbirds ({doc}`../reported`, Tables 1 and 2), "
        "which the interval here leaves out",
        lambda: round(paper_gains_by_pruning(), 1) == 1.7 > less("method", "no-pruning").high,
    ),
    ("09", "there are more epochs: the worst group rises", lambda: less("weights-0", "erm").low > 0),
    ("09", "the row of more epochs alone in the next chapter cannot tell", lambda: unsure(less("weights-0", "longer"))),
    ("10", "came back a little softer", lambda: interval(softened_by_the_autoencoder()).high < 0),
    ("10", "nearly every one shows a bird where it rarely is", lambda: interval(majority_sources()).low > 0.95),
    (
        "10",
        "has a gain that five seeds cannot tell from nothing",
        lambda: (
            less("longer", "erm").mean > 0 and unsure(less("longer", "erm")) and len(per_seed("longer", "erm")) == 5
        ),
    ),
    (
        "10",
        "it gains, and cannot be told from the row before",
        lambda: less("weights-0", "erm").low > 0 and unsure(less("weights-0", "longer")),
    ),
    (
        "10",
        "The method stands above both, with all rows looked at together",
        lambda: all(less("method", arm, rows=rows_of("10")).low > 0 for arm in ("longer", "weights-0")),
    ),
    ("10", "Much of the gain needs no new bird", more_than_a_third_without_birds),
    (
        "10",
        "the worst group gains more than a third of what it gains by the method, even at the lower ends",
        more_than_a_third_without_birds,
    ),
    (
        "10",
        "pay more for the blur than for the method; for the erased bird three seeds cannot tell",
        lambda: (
            less("method", "blurred", ON_WATER).low > 0
            and unsure(less("method", "erased", ON_WATER))
            and len(per_seed("method", "erased")) == 3
        ),
    ),
    (
        "10",
        "for the blur its interval leaves out 0, for the erased bird it does not, and with all rows looked at "
        "together neither does",
        lambda: (
            less("method", "blurred").low > 0
            and unsure(less("method", "erased"))
            and all(unsure(less("method", arm, rows=rows_of("10"))) for arm in ("blurred", "erased"))
        ),
    ),
    ("10", "Wrong birds do harm", lambda: less("neither", "no-pruning").high < 0 and less("neither", "erm").high < 0),
    (
        "10",
        "more often than not, a bird of the wrong class, and trained on all of these the worst group falls below",
        lambda: share("no-inversion", "right").high < 50 and less("neither", "erm").high < 0,
    ),
    (
        "10",
        "Pruning takes most of the wrong ones out",
        lambda: in_percent(dropped("no-inversion", False)["such"] / dropped("no-inversion", False)["had"]).low > 50,
    ),
    (
        "10",
        "fewer pictures and some of them wrong, the worst group stands below the method's, and cannot be told from "
        "the blur's",
        lambda: (
            (pictures(results(), "no-inversion", "kept") < pictures(results(), "method", "kept")).all()
            and share("no-inversion", "kept_right").high < 100
            and less("no-inversion", "method").high < 0
            and unsure(less("no-inversion", "blurred"))
        ),
    ),
    ("10", "The softness of the box is no shortcut here", lambda: within(less("repeated", "autoencoded"), 0.5)),
    (
        "10",
        "stand within half a point of each other, alone and beside the method's pictures: the whole intervals of "
        "their differences do",
        lambda: (
            within(less("repeated", "autoencoded"), 0.5) and within(less("method-repeated", "method-autoencoded"), 0.5)
        ),
    ),
    (
        "10",
        "Neither mixed row can be told from the method",
        lambda: all(unsure(less(arm, "method")) for arm in ("method-repeated", "method-autoencoded")),
    ),
    ("10", "That the painter is the bottleneck does not show", lambda: unsure(less("method", "renderer"))),
    (
        "10",
        "cannot be told from the method, nor can true masks on the seeds that ran them",
        lambda: all(unsure(less("method", arm)) for arm in ("renderer", "true-masks")),
    ),
    (
        "10",
        "either interval leaves room for a few points",
        lambda: all(less("method", arm).low < -3 for arm in ("renderer", "true-masks")),
    ),
    (
        "11",
        "the method's own, of which most are right, and the one painted with the bare class word, of which most are "
        "wrong",
        lambda: share("method", "right").low > 50 > share("no-inversion", "right").high,
    ),
    (
        "11",
        "Without it the two lie farther apart",
        lambda: all(farther.low > 0 for farther in apart_without_compositing()),
    ),
    ("11", "is above 0.99 for every image here", lambda: (table("scores.parquet").eval("change + psi") > 0.99).all()),
    ("11", "The bound decides, and $\\Psi$ is a lax one", lambda: chosen_less(CLASS_WORD, "bound", "eq. 3")[0].low > 0),
    ("11", "$\\Psi$ is above 0.99 in every seed", lambda: (table("scores.parquet")["Psi"] > 0.99).all()),
    (
        "11",
        "a bound of 0.9 in place of $\\Psi$ lifts the precision of the bad set by more than fifteen points, by its "
        "interval",
        lambda: chosen_less(CLASS_WORD, "bound", "eq. 3")[0].low > 15,
    ),
    ("11", "It costs recall", lambda: chosen_less(CLASS_WORD, "bound", "eq. 3")[1].high < 0),
    (
        "11",
        "the same number up to the error of the integral",
        lambda: (table("scores.parquet").eval("change - (1 - psi)").abs() < 0.001).all(),
    ),
    (
        "11",
        "they differ by less than 0.02 for nineteen pairs in twenty",
        lambda: (
            over_seeds("scores.parquet", lambda part: part.eval("rho - (1 - psi)").abs().quantile(0.95)).high < 0.02
        ),
    ),
    (
        "11",
        "and order the pairs nearly alike",
        lambda: over_seeds("scores.parquet", lambda part: part["rho"].corr(-part["psi"], method="spearman")).low > 0.95,
    ),
    (
        "11",
        "On the bad set each of them raises the precision",
        lambda: all(chosen_less(CLASS_WORD, way, "none")[0].low > 0 for way in ("eq. 3", "eq. 5")),
    ),
    (
        "12",
        "All lines fall at the first steps",
        lambda: all((lines.iloc[1] < lines.iloc[0]).all() for lines in by_vectors() + by_rate()),
    ),
    (
        "12",
        "at the last step the line of most vectors is the highest on the right",
        lambda: all(lines.iloc[-1].idxmax() == lines.columns.max() for lines in by_vectors()),
    ),
    (
        "12",
        "After the first steps drawn every line lies below the initial word, and then the rates' lines cross: at "
        "the last step they lie closer together than any of them lies to its beginning",
        lambda: all(
            (rates.iloc[1] < rates.iloc[0]).all()
            and cross(rates)
            and spread(rates) < (rates.iloc[0] - rates.iloc[-1]).min()
            for rates in by_rate()
        ),
    ),
    (
        "12",
        "For neither class does a token of several vectors end lower than one of a single vector: two end within "
        "what the rates differ by, and the most vectors end highest, above every rate",
        lambda: all(
            0 < lines.iloc[-1][2] - lines.iloc[-1][1] < spread(rates)
            and lines.iloc[-1][4] > max(rates.iloc[-1].max(), lines.iloc[-1][2])
            for lines, rates in zip(by_vectors(), by_rate(), strict=True)
        ),
    ),
    ("12", "In between the lines cross", lambda: all(cross(lines) for lines in by_vectors())),
    (
        "12",
        "the loss falls for the waterbird's token; for the landbird's, five seeds cannot tell",
        lambda: unseen_change("waterbird").high < 0 and unsure(unseen_change("landbird")),
    ),
    (
        "12",
        "“A bird” is right less often than a coin would be, by its interval too",
        lambda: share("no-inversion", "right").high < 50,
    ),
    (
        "12",
        "because these are of the majority groups",
        lambda: all(interval(taken[k]).high < 100 for taken in of_random("own loss") for k in taken.columns[1:-1]),
    ),
    (
        "12",
        "Both rankings take fewer minority images than a choice at random would, in every row and with every "
        "interval below 0",
        lambda: all(
            interval(taken[k]).high < 100
            for ranking in ("own loss", "batch loss")
            for taken in of_random(ranking)
            for k in taken.columns[1:6:2]
        ),
    ),
    (
        "12",
        "at the middle $K$ of each class it takes more of them than each image's own loss does, by the interval of "
        "their difference",
        lambda: all(
            interval(batch.iloc[:, 3] - own.iloc[:, 3]).low > 0
            for own, batch in zip(of_random("own loss"), of_random("batch loss"), strict=True)
        ),
    ),
    (
        "index",
        "Plain training is accurate where background and bird agree",
        lambda: all(percent(results(), "erm", group).low > 95 for group in (ON_LAND, ON_WATER)),
    ),
    ("index", "a good part of the gain needs no new bird at all", more_than_a_third_without_birds),
    (
        "waterbirds",
        "95 % of the birds stand where their species lives",
        lambda: round(WATERBIRDS_COUNTS[[0, 3]].sum() / WATERBIRDS_COUNTS.sum(), 2) == 0.95,
    ),
    (
        "waterbirds",
        "The paper's worst group and the third party's rerun lie 4.6 points apart as published",
        lambda: (
            round(reported_worst("DBB, the paper's") - reported_worst("DBB, rerun by a third party (GRSSL)"), 1) == 4.6
        ),
    ),
    (
        "celeba",
        "With group accuracies of 99, 99, 85 and 42 % they are 90.8 and 96.5 %",
        lambda: (
            [round(np.average((99, 99, 85, 42), weights=counts), 1) for counts in (CELEBA_DRAWN, CELEBA["train"])]
            == [90.8, 96.5]
        ),
    ),
    (
        "celeba",
        "Of the blond in the training split six in a hundred are men, and on such men the base classifier fails",
        lambda: (
            round(100 * blond()["blond male"] / sum(blond().values())) == 6
            and reported_row("table1", "Base (ERM)")[3] == "42.2 / –"
        ),
    ),
    (
        "costs",
        "There are more than a thousand operations to a byte of weights",
        lambda: all(stage["operations"] > 1000 * stage["bytes"] for stage in true_size_stages()),
    ),
    (
        "paper-and-code",
        "loses a tenth of its mean gradient if it has 300 × 400 px, and a fifth with 256 × 256",
        lambda: 0.08 < softened_by_the_way(300, 400) < 0.12 and 0.18 < softened_by_the_way(256, 256) < 0.22,
    ),
]
"""Page, the words on it, and what must hold of the committed numbers.

Where two things are compared that were measured over seeds, it asks for the interval of their difference, or for every
seed; for a mean only where the words speak of means. Two kinds of numbers have no such interval. What was published is
quoted, and a distance between published numbers is called one, whatever their ± allow. And choices.csv, of chapter 12,
holds one run of each setting, on one seed: claims on it describe its lines, and the page says that there is one each.
"""


@pytest.mark.parametrize(("name", "words", "holds"), CLAIMS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_page_says_was_measured_holds(name, words, holds):
    assert words in page(name), "the words are gone: drop the claim, or quote the new ones"
    assert holds(), "the committed numbers do not support these words any more: change the sentence"


def test_the_rows_that_a_chapter_looks_at_together_are_counted():
    assert (rows_of("09"), rows_of("10")) == (7, 12)


def test_where_there_is_one_run_of_one_seed_the_page_says_so():
    settings = table("choices.csv").groupby(["class", "learning_rate", "vectors", "step"]).size()
    assert "seed" not in table("choices.csv") and (settings == 1).all()
    for words in (
        "On seed 0, the seed of the other chapters, and with one run of each setting",
        "this is one run of one seed",
    ):
        assert words in page("12")


MEASURE_NOTHING = {
    "your-own-dataset": ["makes no later stage anew"],
    "01": [
        "on as much of it, so little",
        "If one class were red more often",
        "should differ by chance only",
        "Where only the place, besides the shape",
    ],
    "02": [
        "trained on, equally often",
        "where 50 % would mean",
        "The nearer to 100 %",
        "**worst group**: the lowest",
        "drawn from a larger one",
        "Those left of the dashed line",
        "the fewer are taken",
        "any ranking has to take nearly everything",
    ],
    "03": ["Lower row: grey maps", "all start alike", "A negative change is a better", "no more than the plain word"],
    "04": [
        "A class with fewer images than $K$",
        "the lower one dark everywhere",
        "If the lower one is bright",
        "smaller than the least area",
        "the larger area to be repainted",
        "whatever sticks out stays",
        "those with the lowest score",
        "costs background",
        "at most two hundred sources",
    ],
    "05": ["This matters: a blur", "Painting costs one pass", "the fast sampler is too fast"],
    "06": [
        "gives class $i$ less than that",
        "Where $\\Psi$ lies close to 1",
        "that the model cannot tell apart",
        "the one with the lowest $\\psi$",
        "cuts off the lower end",
        "By rule, not by taste",
        "worth its place as far as",
    ],
    "07": ["Which part costs the most?", "The lowest of the curves"],
    "08": [
        "Rows: the accuracy of every group",
        "found most convincing",
        "what the method is judged by",
        "each step loses some",
    ],
    "09": [
        "which of its parts is it owed to",
        "95 % by Student's t",
        "How far the method stands above each row",
        "another may pay",
        "asks a milder question",
        "might do better",
        "A gain is not yet an explanation",
    ],
    "10": [
        "can rise for a wrong reason",
        "if the worst group rises as much",
        "removing the old bird is enough",
        "any damage with a new label is enough",
        "any bird is enough",
        "the masks cost something",
        "a shortcut of its own |",
        "the control's mean is higher",
        "may well leave out 0 by chance",
        "## How the gain divides",
        "made from the numbers:",
        "Our reading, which no arm here tests",
        "What painted birds add beyond this",
    ],
    "11": ["Whether these would have taught more"],
    "12": ["Do more vectors buy more", "It is a mean over all noise"],
    "13": [
        "Skin, eyes, clothes and place are drawn alike",
        "Test accuracy of the base model in every group",
        "Hair that falls beside the face is much to find",
        "each with the mask tinted: hair that falls beside the face",
    ],
    "14": [
        "so small that a mask of them can hardly",
        "are shared by cats and dogs",
        "The renderer tells which scenes are hard",
        "Pairs of rows for animals in full view",
    ],
    "cluster": ["a job larger than the node was refused"],
    "costs": ["# What it costs", "the SAM 2.1 that lang_sam takes", "the port has the faster reading"],
    "index": [":alt: From a majority image"],
    "licences": ["Attachment A"],
    "metashift": ["the worst group is the lower of two", "the larger halves"],
    "paper-and-code": [
        "of a probability it cannot exceed 1",
        "most of them are waterbirds, so softness",
        "mini-Waterbirds uses a faster sampler",
        "which calls for bounds below 1",
    ],
    "paper-scale": ["serves the tokens as well as the painting"],
    "rerun": ["the same tables stand below", "a clone, a ZIP and a finished checkout", "and then mostly loads them"],
    "waterbirds": ["cannot rise by more than 1"],
    "your-own": ["**More than two classes."],
    "README": ["a few gigabytes, mostly PyTorch"],
}
"""Page -> quotes of sentences that compare and measure nothing: definitions, mathematics, questions, instructions, what
others publish."""


def comparing() -> list[tuple[str, str]]:
    return [(path, sentence) for path, prose in PAGES.items() for sentence in sentences.claims(prose)]


def test_every_sentence_that_compares_was_thought_about():
    quotes = [
        *((name, words) for name, words, _ in CLAIMS),
        *((name, quote) for name, found in MEASURE_NOTHING.items() for quote in found),
    ]
    unseen = [
        (path, sentence)
        for path, sentence in comparing()
        if not any(path.rpartition("/")[2].startswith(name) and words in sentence for name, words in quotes)
    ]
    assert not unseen, "give each a row in CLAIMS, or a quote in MEASURE_NOTHING if it measures nothing"


@pytest.mark.parametrize("name", MEASURE_NOTHING)
def test_a_quote_of_what_measures_nothing_is_of_one_sentence(name):
    of_page = [sentence for path, sentence in comparing() if path.rpartition("/")[2].startswith(name)]
    stale = {quote: n for quote in MEASURE_NOTHING[name] if (n := sum(quote in sentence for sentence in of_page)) != 1}
    assert not stale, "drop the quotes that are gone, and lengthen those that stand twice"


def test_a_new_comparison_is_seen_wherever_it_stands():
    prose = "A bird\nis *higher*\nthan it was. It flies.\n\n- Nearly all do. (Some do not.)"
    assert sentences.claims(prose) == ["A bird is *higher* than it was.", "- Nearly all do."]

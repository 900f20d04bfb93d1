"""Chapter 12: how the settings of textual inversion were chosen, and which images the lowest losses are."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dbb.report.style import INK, RIGHT_COLOUR, WIDTH, WRONG_COLOUR, Figure, legend_below, panel_figure, set_texts
from dbb.stages.selection import BATCH_LOSS, OWN_LOSS
from dbb.statistics import interval, percent


def selection_figure(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Return the minority's share of the K lowest losses, by own and by batch loss, a panel per class: lines through
    the seeds' mean, shades that span the seeds; dashed, its share of the class, which a choice at random has.

    Args:
        table: rows of low-loss.csv, columns label, ranking, k, minority, a row per seed.
    """
    import seaborn as sns

    figure, panels = panel_figure(len(classes), 2.5)
    table = table.assign(share=100 * table["minority"] / table["k"])
    for label, axes in enumerate(panels):
        for ranking, colour in {OWN_LOSS: RIGHT_COLOUR, BATCH_LOSS: WRONG_COLOUR}.items():
            rows = table[(table["label"] == label) & (table["ranking"] == ranking)]
            sns.lineplot(
                rows,
                x="k",
                y="share",
                color=colour,
                marker="o",
                markersize=5,
                markeredgewidth=0,
                errorbar=("pi", 100),
                err_kws={"linewidth": 0},
                label=f"by {ranking}",
                legend=False,
                ax=axes,
            )
        axes.axhline(100 * _whole_class(table, label), color=INK, linestyle="--", linewidth=1, label="at random")
        axes.set_ylabel("minority among them (%)")
        set_texts(axes, classes[label], "K, images of lowest loss")
    figure.tight_layout()
    legend_below(figure, *panels[0].get_legend_handles_labels())
    return figure


def selection_table(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return Table 4 in these terms, a row per class and K: minority images among the K first, means over the seeds, by
    own loss and by batches; and how many more, or with a minus fewer, each ranking takes than a choice at
    random, and the batches' than own loss, paired by seed, with intervals.

    Args:
        table: as for `selection_figure`; of its K three are shown.
    """
    rows = []
    for label, name in enumerate(classes):
        here, share = table[table["label"] == label], _whole_class(table, label)
        for k in sorted(here["k"].unique())[1:6:2]:
            taken = here[here["k"] == k].pivot(index="seed", columns="ranking", values="minority")
            more = {
                f"{OWN_LOSS} less random": interval(taken[OWN_LOSS] - k * share),
                f"{BATCH_LOSS} less random": interval(taken[BATCH_LOSS] - k * share),
                f"{BATCH_LOSS} less {OWN_LOSS}": interval(taken[BATCH_LOSS] - taken[OWN_LOSS]),
            }
            rows.append(
                {
                    "class": name,
                    "K": k,
                    OWN_LOSS: taken[OWN_LOSS].mean(),
                    BATCH_LOSS: taken[BATCH_LOSS].mean(),
                    **{name: str(difference) for name, difference in more.items()},
                }
            )
    return pd.DataFrame(rows)


def _whole_class(table: pd.DataFrame, label: int) -> float:
    """The minority's share of the whole class, 0..1."""
    here = table[table["label"] == label]
    whole = here[here["k"] == here["k"].max()].iloc[0]
    return whole["minority"] / whole["k"]


def choices_figure(table: pd.DataFrame) -> Figure:
    """Return the loss on unseen images over the steps of inversion, a row of panels per class: on the left a line per
    learning rate, at one vector; on the right one per number of vectors, at the rate of those that have several.
    A setting has one colour in all panels.

    Args:
        table: columns class, learning_rate, vectors, step, unseen_loss.
    """
    rate = table.loc[table["vectors"] > 1, "learning_rate"].iloc[0]
    colours = {setting: f"C{i}" for i, setting in enumerate(table.groupby(["vectors", "learning_rate"]).groups)}
    columns = {
        "one vector": (table["vectors"] == 1, "rate {1:g}"),
        f"rate {rate:g}": (table["learning_rate"] == rate, "vectors: {0}"),
    }
    names = list(dict.fromkeys(table["class"]))
    figure = Figure((WIDTH, 2.2 * len(names) + 0.2))
    panels = figure.subplots(len(names), len(columns), sharex=True, sharey="row", squeeze=False)
    for row, name in zip(panels, names, strict=True):
        for axes, (title, (chosen, label)) in zip(row, columns.items(), strict=True):
            for setting, rows in table[chosen & (table["class"] == name)].groupby(["vectors", "learning_rate"]):
                axes.plot(
                    rows["step"],
                    rows["unseen_loss"],
                    color=colours[setting],
                    marker="o",
                    markersize=3,
                    label=label.format(*setting),
                )
            set_texts(axes, f"{name}, {title}")
        row[0].set_ylabel("loss on unseen images")
    for axes in panels[-1]:
        axes.set_xlabel("step")
    for axes in panels[0]:
        axes.legend()
    figure.tight_layout()
    return figure


def describe_right(results: pd.DataFrame, titles: Mapping[str, str], chance: float) -> str:
    """Return a sentence per arm, in Markdown, on the share of its pictures that is right before pruning, over the
    seeds, and on which side of ``chance``, in %, its interval lies.

    Args:
        titles: arm -> what its pictures were painted with.
    """
    sentences = []
    for arm, title in titles.items():
        share = percent(results, arm, "right", "train")
        if np.isnan(share.mean):
            sentences.append(f"How many of the pictures painted with the {title} are right is not known here.")
            continue
        side = (
            "**above chance**"
            if share.low > chance
            else "**below chance**"
            if share.high < chance
            else "**not to be told from chance**"
        )
        sentences.append(f"With the {title}, {share} % of the pictures are right: {side}, which is {chance:.0f} %.")
    return " ".join(sentences)

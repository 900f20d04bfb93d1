"""How well conditions choose is counted as the stage would choose, and drawn over every threshold and seed."""

import numpy as np
import pandas as pd
import pytest

from dbb.report import pruning_understood as understood
from dbb.stages.pruning import decide, thresholds
from dbb.statistics import interval, precision_recall


@pytest.fixture(params=[2, 3])
def scores(request) -> pd.DataFrame:
    """The scores of 60 pictures, of two seeds and two or three classes."""
    rng = np.random.default_rng(0)
    psi = rng.random(60)
    return pd.DataFrame(
        {
            "seed": np.repeat([1, 2], 30),
            "target_class": rng.integers(0, request.param, 60),
            "right": rng.random(60) < 0.7,
            "psi": psi,
            "Psi": 0.9,
            "rho": 1 - psi + 0.1 * rng.random(60),
            "status": "generated",
        }
    )


def chosen_by_the_stage(scores: pd.DataFrame, n_classes: int) -> np.ndarray:
    parts = []
    for _, part in scores.groupby("seed"):
        bounds = thresholds(part, 0.25, [None] * n_classes)
        parts.append(decide(part.assign(P=bounds[part["target_class"]]))["kept"])
    return pd.concat(parts).reindex(scores.index).to_numpy(bool)


def test_conditions_keep_what_the_stage_keeps(scores):
    n_classes, right = scores["target_class"].max() + 1, scores["right"].to_numpy()
    shares = understood.condition_shares(scores, 0.25)
    for name, rows in (("both", scores), ("eq. 5", scores.assign(Psi=np.inf))):
        keep = chosen_by_the_stage(rows, n_classes)
        assert shares.loc[name].tolist() == [keep.mean(), *precision_recall(keep, right)]
    assert shares.loc["no pruning"].tolist() == [1.0, right.mean(), 1.0]
    assert shares.loc["eq. 3", "kept"] == (scores["psi"] < 0.9).mean()


def test_a_picture_without_a_score_is_not_above_it(scores):
    unknown = scores.assign(rho=scores["rho"].where(scores.index % 2 == 0))
    keep = understood.above_quantile(unknown, np.ones(60, bool), 0.0)
    assert not keep[1::2].any() and keep.sum() == 30, "a quantile of 0 prunes none"


@pytest.mark.parametrize(("condition", "falls"), [("psi", False), ("rho", True), ("both", True)])
def test_curves_are_of_each_seed(scores, condition, falls):
    bounds = np.linspace(0, 1, 11)
    curves = understood.condition_curves(scores, condition, bounds)
    assert curves.groupby("seed").size().to_dict() == {1: 11, 2: 11}
    for seed, part in curves.groupby("seed"):
        rows = scores[scores["seed"] == seed]
        assert (np.diff(part["recall"]) * (-1 if falls else 1) >= 0).all()
        keep = {
            "psi": rows["psi"] < 0.3,
            "rho": rows["rho"] > 0.3,
            "both": (rows["psi"] < rows["Psi"]) & (rows["rho"] > 0.3),
        }[condition].to_numpy()
        at = part[np.isclose(part["bound"], 0.3)].iloc[0]
        assert np.allclose((at["precision"], at["recall"]), precision_recall(keep, rows["right"].to_numpy()))


def test_thresholds_are_drawn_as_the_seeds_mean_and_range(scores):
    bounds = np.linspace(0, 1, 5)
    curves = understood.condition_curves(scores, "rho", bounds)
    figure = understood.threshold_figure([(title, "P", curves) for title in "abcd"], 2)
    assert [axes.get_title() for axes in figure.axes] == list("abcd")
    by_bound = 100 * curves.groupby("bound")["recall"].agg(["mean", "min", "max"])
    precision, recall = figure.axes[0].lines
    assert recall.get_ydata() == pytest.approx(by_bound["mean"].to_numpy())
    assert precision.get_color() != recall.get_color()
    shade = figure.axes[0].collections[1].get_paths()[0].vertices
    for bound, row in by_bound.iterrows():
        heights = shade[np.isclose(shade[:, 0], bound), 1]
        assert (heights.min(), heights.max()) == pytest.approx((row["min"], row["max"]))


def test_completeness_has_a_panel_each():
    x = np.linspace(0, 1, 5)
    figure = understood.completeness_figure([("logit", x, x), ("probability", x, 2 * x)])
    assert [axes.get_title() for axes in figure.axes] == ["logit", "probability"]
    assert figure.axes[1].collections[0].get_offsets()[:, 1].tolist() == (2 * x).tolist()


def test_convergence_draws_mean_and_largest():
    table = pd.DataFrame(
        {
            "on": ["probability"] * 2 + ["logit"] * 2,
            "steps": [4, 8] * 2,
            "mean": [0.4, 0.2, 0.3, 0.1],
            "max": [2.0, 1.0, 3.0, 1.5],
        }
    )
    [axes] = understood.convergence_figure(table).axes
    assert {line.get_label(): line.get_ydata().tolist() for line in axes.lines} == {
        "probability, mean": [0.4, 0.2],
        "probability, largest": [2.0, 1.0],
        "logit, mean": [0.3, 0.1],
        "logit, largest": [3.0, 1.5],
    }
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["4", "8"]


def test_what_conditions_choose_is_told_over_the_seeds(scores):
    table = understood.seeds_table(scores, 0.25, 0.5)
    assert table.index.tolist() == ["no pruning", "eq. 3", "eq. 5", "both", "eq. 3, 0.5 for Ψ"]
    of_seed = [part for _, part in scores.groupby("seed")]
    strict = [
        100 * np.array(precision_recall((part["psi"] < 0.5).to_numpy(), part["right"].to_numpy())) for part in of_seed
    ]
    assert table.iloc[-1, :2].tolist() == [str(interval([pair[i] for pair in strict], (0, 100))) for i in (0, 1)]
    risen = [pair[0] - 100 * part["right"].mean() for pair, part in zip(strict, of_seed, strict=True)]
    assert table.iloc[-1, 2] == str(interval(risen, (-100, 100)))
    assert table.loc["no pruning"].tolist()[1:] == ["100.0 [100.0, 100.0]", "–"]
    both = [
        precision_recall(chosen_by_the_stage(part, scores["target_class"].max() + 1), part["right"].to_numpy())
        for part in of_seed
    ]
    assert table.loc["both", "recall (%)"] == str(interval([100 * pair[1] for pair in both], (0, 100)))

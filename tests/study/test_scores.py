"""Scores, verdicts and the integral's error, as tables of a seed."""

import numpy as np
import pandas as pd
import pytest

from dbb.models.classifier import load_trained, predict_logits
from dbb.models.oracle import load_oracle
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.pruning import PSI, RHO, judge
from dbb.stages.retraining import read_all
from dbb.stages.run import TABLE
from dbb.study.arms import ARMS
from dbb.study.run import arm_run
from dbb.study.sets import set_run


def table(study, name):
    return pd.read_parquet(study.measured(name) / TABLE)


def test_scores_are_those_that_pruning_judged_by(study):
    for name, arm in (("tokens", "rho-only"), ("class word", "no-inversion")):
        scores = table(study, f"scores-{name.replace(' ', '-')}")
        manifest = read_manifest(arm_run(study, arm, ARMS[arm]).folder("pruned") / MANIFEST)
        scored = manifest[["psi", "Psi"]].to_numpy()
        np.testing.assert_allclose(scores[["psi", "Psi"]], scored, rtol=1e-6)
        conditions = ARMS[arm].conditions
        assert (judge(scores, study.benchmark.pruning, conditions)[0]["kept"] == manifest["kept"]).all()


def test_changes_are_those_of_the_classifier(study):
    bm, scores = study.benchmark, table(study, "scores-tokens")
    model = load_trained(study.folder("erm") / "model.safetensors", bm.classifier, 2)
    images = read_all(study)
    logits = predict_logits(model, images, bm.input_format) - predict_logits(
        model, study.split("train").subset(scores["source_id"]), bm.input_format
    )
    assert scores["change_logit"].tolist() == pytest.approx(
        [float(row[label]) for row, label in zip(logits, images.labels, strict=True)], abs=1e-5
    )


def test_verdicts_are_the_oracle_s(study):
    for name in ("class word", "renderer"):
        images = read_all(set_run(study, name))
        seen = load_oracle(study.benchmark).judge(images.pixels(range(len(images)), 64)).classes
        verdicts = table(study, f"verdicts-{name.replace(' ', '-')}")
        assert verdicts["right"].tolist() == (seen == images.labels).tolist()
        assert verdicts["image"].tolist() == images.ids.tolist()


def test_scores_of_composited_pictures_are_complete(study):
    pairs = table(study, "compositing")
    gap = (pairs["rho"] - pairs["change"]).abs().groupby([pairs["on"], pairs["composited"]]).max()
    assert gap["logit", True] < 0.05 and gap["probability", True] < 0.05
    assert pairs.groupby(["on", "composited", "target_class"]).size().tolist() == [2] * 8


def test_more_steps_bring_the_integral_nearer(study):
    error = table(study, "convergence").set_index(["on", "steps"])["mean"]
    assert error["logit", 16] <= error["logit", 4] and (error < 0.05).all()


@pytest.mark.parametrize("conditions", [(), (PSI,), (RHO,), (PSI, RHO)])
def test_judging_scores_agrees_with_the_paper_s_formula(conditions):
    n = 30
    scores = pd.DataFrame(
        {
            "status": "generated",
            "target_class": np.tile([1, 0], n),
            "psi": np.random.default_rng(0).random(2 * n),
            "Psi": 0.6,
            "rho": np.linspace(0, 1, 2 * n),
        }
    )
    settings = type("S", (), {"quantile": 0.5, "thresholds": (None, None)})
    passed = (scores["psi"] < 0.6) | (PSI not in conditions)
    expected = passed.copy()
    for label in (0, 1):
        here = passed & (scores["target_class"] == label)
        if RHO in conditions:
            expected[here] = scores.loc[here, "rho"] > np.quantile(scores.loc[here, "rho"], 0.5)
    assert (judge(scores, settings, conditions)[0]["kept"] == expected).all()

"""Eq. 3-5 against closed forms, and the decision table."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.models.classifier import load_trained, predict_logits
from dbb.stages.manifest import CONDITIONS, MANIFEST, read_manifest, read_png
from dbb.stages.mask_table import MASKS, load_masks
from dbb.stages.outputs import probabilities_of
from dbb.stages.pruning import (
    KEPT,
    LOOKS_LIKE_SOURCE,
    LOW_ATTRIBUTION,
    PSI,
    RHO,
    attribution_score,
    class_confidence,
    decide,
    integrated_gradients,
    judge,
    own_class_probability,
    pruned,
    read_pairs,
    score_pairs,
    threshold,
    thresholds,
)
from dbb.stages.run import Run, model_identity
from dbb.transforms import normalise

SHAPE = (3, 4, 5)
FORMAT = InputFormat(4, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Quadratic(nn.Module):
    """Logits x A_i x + b_i x over the flattened image, in float64; linear when ``curvature`` is 0."""

    def __init__(self, curvature, shape=SHAPE, n_classes=3):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        d = math.prod(shape)
        draw = {"generator": generator, "dtype": torch.float64}
        self.matrix = nn.Parameter(curvature * torch.randn(n_classes, d, d, **draw))
        self.vector = nn.Parameter(torch.randn(n_classes, d, **draw) / 10)

    def forward(self, images):
        x = images.flatten(1).to(self.vector.dtype)
        return torch.einsum("bd,cde,be->bc", x, self.matrix, x) + x @ self.vector.T


def pairs(n=7):
    generator = torch.Generator().manual_seed(1)
    images, baselines = torch.randn(2, n, *SHAPE, generator=generator, dtype=torch.float64)
    return images, baselines, torch.arange(n) % 3


@pytest.mark.parametrize("curvature", [0.0, 0.3])
@pytest.mark.parametrize("internal_batch_size", [3, 8, 1000])
def test_logit_attributions_have_a_closed_form(curvature, internal_batch_size):
    model = Quadratic(curvature)
    images, baselines, targets = pairs()
    attributions, error = integrated_gradients(
        model, images, baselines, targets, steps=4, on="logit", internal_batch_size=internal_batch_size
    )
    difference = (images - baselines).flatten(1)
    middle = (images + baselines).flatten(1) / 2
    symmetric = (model.matrix + model.matrix.transpose(1, 2))[targets]
    gradient = torch.einsum("bde,be->bd", symmetric, middle) + model.vector[targets]
    torch.testing.assert_close(attributions.flatten(1), (difference * gradient).detach())
    assert error.abs().max() < 1e-9


def test_inside_a_full_mask_the_score_is_the_change_of_probability():
    model = Quadratic(0.02)
    images, baselines, targets = pairs()
    attributions, error = integrated_gradients(model, images, baselines, targets, steps=200)
    score = attribution_score(attributions, torch.ones(7, 4, 5, dtype=torch.bool))
    rows = torch.arange(7)
    change = model(images).softmax(1)[rows, targets] - model(baselines).softmax(1)[rows, targets]
    torch.testing.assert_close(score, change.detach(), atol=1e-6, rtol=0)
    assert score.abs().max() > 0.1
    assert error.abs().max() < 1e-6


def test_the_score_sums_the_masked_pixels_of_all_channels():
    attributions = torch.arange(2 * 60.0).view(2, *SHAPE)
    masks = torch.zeros(2, 4, 5, dtype=torch.bool)
    masks[0, 1, 2] = masks[0, 3, 4] = True
    expected = sum(attributions[0, c, h, w].item() for c in range(3) for h, w in ((1, 2), (3, 4)))
    assert attribution_score(attributions, masks).tolist() == [expected, 0]


def test_class_confidence_is_the_mean_over_the_own_class():
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.7, 0.3], [0.4, 0.6]])
    labels = np.array([0, 1, 0, 1])
    np.testing.assert_allclose(class_confidence(probabilities, labels, 2), [0.8, 0.65])
    np.testing.assert_array_equal(own_class_probability(probabilities, 1 - labels), [0.1, 0.3, 0.3, 0.4])
    with pytest.raises(InputError, match="class 2 has no training image"):
        class_confidence(np.full((4, 3), 1 / 3), labels, 3)


def made_pairs(n=40):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    ids, attributes = np.arange(n), np.zeros(n, dtype=int)
    originals, generated = (
        ImageSet(ArrayPixels(rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)), y, attributes, 2, ids)
        for y in (labels, 1 - labels)
    )
    return originals, generated, rng.random((n, 4, 4)) < 0.5


def test_pairs_are_scored_row_by_row_and_only_where_they_passed():
    model = Quadratic(0.0, (3, 4, 4), 2).float()
    originals, generated, masks = made_pairs()
    confidence = np.array([0.5, 0.6])
    scores = score_pairs(model, originals, generated, masks, confidence, FORMAT, internal_batch_size=70)
    everything = score_pairs(model, originals, generated, masks, confidence, FORMAT, ig_on="all")
    passed = scores.psi < confidence[originals.labels]
    assert 0 < passed.sum() < 40
    np.testing.assert_array_equal(scores.Psi, confidence[originals.labels])
    np.testing.assert_array_equal(np.isnan(scores.rho), ~passed)
    np.testing.assert_array_equal(np.isnan(scores.convergence), ~passed)
    assert np.isfinite(everything.rho).all()
    np.testing.assert_allclose(scores.rho[passed], everything.rho[passed], atol=1e-5)
    assert everything.convergence.max() < 1e-3


def test_logit_scores_of_a_linear_model_are_the_masked_sum():
    model = Quadratic(0.0, (3, 4, 4), 2).float()
    originals, generated, masks = made_pairs()
    scores = score_pairs(model, originals, generated, masks, np.ones(2), FORMAT, on="logit", ig_on="all")
    for n in range(len(masks)):
        difference = (generated.pixels([n], 4)[0].double() - originals.pixels([n], 4)[0].double()) / 255 / 0.25
        weights = model.vector[generated.labels[n]].detach().double().view(3, 4, 4)
        assert scores.rho[n] == pytest.approx((difference * weights)[:, masks[n]].sum().item(), abs=1e-4)


@pytest.mark.parametrize("on", ["probability", "logit"])
def test_the_change_of_every_pair_is_the_score_s(on):
    model = Quadratic(0.0, (3, 4, 4), 2).float()
    originals, generated, masks = made_pairs()
    scores = score_pairs(model, originals, generated, masks, np.ones(2), FORMAT, on=on, ig_on="none")
    ends = []
    for images in (originals, generated):
        logits = model(normalise(images.pixels(range(40), 4), FORMAT.mean, FORMAT.std)).detach().double()
        values = logits.softmax(1) if on == "probability" else logits
        ends.append(values.numpy()[np.arange(40), generated.labels])
    np.testing.assert_allclose(scores.change, ends[1] - ends[0], atol=1e-6)
    assert np.isnan(scores.rho).all()


def test_a_certainty_that_float32_would_round_to_1_is_still_compared():
    """Eq. 3: an image as sure at a margin of 25 is pruned where the training images' margin is 20."""
    confidence = class_confidence(probabilities_of(torch.tensor([[20.0, 0.0]] * 3)), np.zeros(3, int), 1)
    assert confidence[0] == pytest.approx(1 - 2.0611536e-09, abs=1e-16)
    psi = own_class_probability(probabilities_of(torch.tensor([[25.0, 0.0], [19.0, 0.0]])), np.zeros(2, int))
    manifest = pd.DataFrame({"status": "generated", "psi": psi, "Psi": confidence[0], "rho": 1.0, "P": 0.0})
    assert decide(manifest)["kept"].tolist() == [False, True]


def test_no_image_has_no_attributions():
    none = torch.zeros(0, *SHAPE, dtype=torch.float64)
    attributions, error = integrated_gradients(Quadratic(0.1), none, none, torch.zeros(0, dtype=torch.int64))
    assert attributions.shape == (0, *SHAPE) and error.shape == (0,)
    assert attribution_score(attributions, torch.zeros(0, 4, 5, dtype=torch.bool)).shape == (0,)


def test_no_pair_that_passes_is_no_error():
    originals, generated, masks = made_pairs()
    model = Quadratic(0.0, (3, 4, 4), 2).float()
    assert np.isnan(score_pairs(model, originals, generated, masks, np.zeros(2), FORMAT).rho).all()


def test_what_does_not_pair_up_is_refused():
    originals, generated, masks = made_pairs()
    model = Quadratic(0.0, (3, 4, 4), 2).float()
    with pytest.raises(InputError, match="39 masks do not pair up"):
        score_pairs(model, originals, generated, masks[1:], np.ones(2), FORMAT)
    with pytest.raises(InputError, match="resize the masks"):
        score_pairs(model, originals, generated, np.ones((40, 8, 8), dtype=bool), np.ones(2), FORMAT)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50, unique=True), st.floats(0, 1))
def test_the_threshold_prunes_its_share_and_none_at_0(values, quantile):
    pruned = (np.array(values) <= threshold(np.array(values), quantile)).sum()
    assert abs(pruned - quantile * len(values)) <= 1
    assert (np.array(values) > threshold(np.array(values), 0)).all()
    assert (np.array(values) <= threshold(np.array(values), 1)).all()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.floats(0, 1, exclude_min=True))
def test_the_threshold_lies_at_its_rank_among_the_scores_there_are(values, quantile):
    position, ordered = quantile * (len(values) - 1), sorted(values)
    p = threshold(np.array([*values, np.nan]), quantile)
    assert ordered[math.floor(position)] - 1e-9 <= p <= ordered[math.ceil(position)] + 1e-9


def test_thresholds_that_cannot_be_had():
    assert math.isnan(threshold(np.array([np.nan]), 0.1))
    with pytest.raises(InputError, match=r"quantile 1\.1"):
        threshold(np.array([0.5]), 1.1)


def test_the_decision_table():
    nan = np.nan
    manifest = pd.DataFrame(
        [
            ("generated", 0.1, 0.9, 0.6, 0.5, "kept"),
            ("generated", 0.9, 0.9, nan, 0.5, "looks like the source class"),
            ("generated", 0.95, 0.9, 0.9, 0.5, "looks like the source class"),
            ("generated", 0.1, 0.9, 0.5, 0.5, "low attribution"),
            ("generated", 0.1, 0.9, -0.5, 0.5, "low attribution"),
            ("no mask", nan, nan, nan, nan, "no mask"),
        ],
        columns=["status", "psi", "Psi", "rho", "P", "expected"],
    )
    decided = decide(manifest)
    assert decided["reason"].tolist() == manifest["expected"].tolist()
    assert decided["kept"].tolist() == [True] + [False] * 5
    assert decided["kept"].dtype == bool
    assert "kept" not in manifest
    assert len(decide(manifest.iloc[:0])) == 0
    for column in ("rho", "P"):
        with pytest.raises(InputError, match="1 images passed"):
            decide(manifest.assign(**{column: manifest[column].where(manifest.index != 0)}))


def test_thresholds_come_from_what_passed_unless_given():
    manifest = pd.DataFrame(
        {"target_class": [0, 0, 0, 1], "psi": [0.1, 0.2, 0.95, 0.1], "Psi": [0.9] * 4, "rho": [0.4, 0.6, 5.0, 0.3]}
    )
    assert thresholds(manifest, 0.5, (None, None)).tolist() == pytest.approx([0.5, 0.3])
    assert thresholds(manifest, 0.5, (None, 0.7)).tolist() == pytest.approx([0.5, 0.7])
    assert math.isnan(thresholds(manifest.head(0), 0.5, (None, None))[0])
    at_the_bound = manifest.assign(psi=[0.1, 0.2, 0.9, 0.1])
    assert thresholds(at_the_bound, 0.5, (None, None))[0] == pytest.approx(0.5)


def test_psi_is_the_source_class_s_probability_of_the_generated_image():
    model = Quadratic(0.0, (3, 4, 4), 3).float()
    originals, generated, masks = made_pairs()
    originals = replace(originals, labels=np.arange(40) % 3)  # of three classes the new one is not the other one
    generated = replace(generated, labels=(originals.labels + 1 + np.arange(40) % 2) % 3)
    scores = score_pairs(model, originals, generated, masks, np.array([0.2, 0.3, 0.4]), FORMAT, ig_on="none")
    inputs = (generated.pixels(range(40), 4).double() / 255 - 0.5) / 0.25
    logits = (inputs.flatten(1) @ model.vector.detach().double().T).numpy()
    for n, (x, label) in enumerate(zip(logits, originals.labels, strict=True)):
        assert scores.psi[n] == pytest.approx(np.exp(x[label]) / np.exp(x).sum(), abs=1e-5)
        assert scores.Psi[n] == [0.2, 0.3, 0.4][label]


class Moody(nn.Module):
    """A linear model that says nothing but 0 while it is in training mode."""

    def __init__(self):
        super().__init__()
        self.inner = Quadratic(0.0, (3, 4, 4), 2).float()

    def forward(self, images):
        return self.inner(images) * (not self.training)


def test_scores_are_those_of_the_model_in_evaluation_mode():
    originals, generated, masks = made_pairs()
    how = (originals, generated, masks, np.ones(2), FORMAT)
    scores, expected = score_pairs(Moody().train(), *how), score_pairs(Moody().eval(), *how)
    assert (expected.rho != 0).all()
    np.testing.assert_array_equal(scores.psi, expected.psi)
    np.testing.assert_array_equal(scores.rho, expected.rho)


@pytest.mark.parametrize("images_at_once", [8, 20, 1000])
def test_no_pass_holds_more_images_and_points_than_fit(images_at_once):
    model, sizes = Quadratic(0.0, (3, 4, 4), 2).float(), []
    originals, generated, masks = made_pairs()
    expected = score_pairs(model, originals, generated, masks, np.ones(2), FORMAT, steps=4, ig_on="all")
    hook = model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    scores = score_pairs(model, originals, generated, masks, np.ones(2), FORMAT, 4, images_at_once, ig_on="all")
    hook.remove()
    assert sorted(set(sizes[2:]))[-1] <= max(images_at_once, 40)
    np.testing.assert_allclose(scores.rho, expected.rho, atol=1e-6)


def test_by_default_the_scores_are_of_probabilities_at_32_points():
    originals, generated, masks = made_pairs()
    how = (Quadratic(0.1, (3, 4, 4), 2).float(), originals, generated, masks, np.ones(2), FORMAT)
    default, told = score_pairs(*how), score_pairs(*how, steps=32, on="probability", ig_on="passed")
    for name, values in vars(default).items():
        np.testing.assert_array_equal(values, getattr(told, name))


def test_at_the_bound_itself_an_image_has_not_passed_and_a_probability_of_0_is_one():
    model = Quadratic(0.0, (3, 4, 4), 2).float()
    originals, generated, masks = made_pairs()
    first = originals.labels[0]
    psi = score_pairs(model, originals, generated, masks, np.ones(2), FORMAT, ig_on="none").psi
    scores = score_pairs(model, originals, generated, masks, np.where(np.arange(2) == first, psi[0], 0.0), FORMAT)
    assert np.isnan(scores.rho[0]) and np.isfinite(scores.rho).any()
    with torch.no_grad():
        model.vector *= 1e5
    everything, nothing = (
        score_pairs(model, originals, generated, masks, np.ones(2), FORMAT, ig_on=which) for which in ("all", "none")
    )
    assert (everything.psi == 0).any()
    assert np.isfinite(everything.rho).all() and np.isnan(nothing.rho).all()


def test_more_points_than_fit_are_taken_in_several_passes():
    model, sizes = Quadratic(0.3), []
    images, baselines, targets = pairs(4)
    expected, _ = integrated_gradients(model, images, baselines, targets, steps=8)
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    found, _ = integrated_gradients(model, images, baselines, targets, steps=8, internal_batch_size=3)
    assert max(sizes) <= 3
    torch.testing.assert_close(found, expected)


def test_by_default_eq_4_has_32_points():
    default, told = (integrated_gradients(Quadratic(0.3), *pairs(), **how)[0] for how in ({}, {"steps": 32}))
    assert torch.equal(default, told)


def test_probabilities_are_compared_in_float64():
    found = own_class_probability(np.full((2, 2), 0.1, np.float32), np.array([0, 1]))
    assert found.dtype == np.float64 and found.tolist() == [float(np.float32(0.1))] * 2


# ------------------------------------------------------------------------------------------------ verdicts


def drawn_manifest(n=60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    status = np.where(rng.random(n) < 0.9, "generated", "no mask")
    made, targets = status == "generated", rng.integers(0, 3, n)
    return pd.DataFrame(
        {
            "status": status,
            "source_class": (targets + 1) % 3,
            "target_class": targets,
            "psi": np.where(made, rng.random(n), np.nan),
            "Psi": np.where(made, 0.5, np.nan),
            "rho": np.where(made, rng.normal(size=n), np.nan),
            "P": np.nan,
            "kept": pd.array([pd.NA] * n, "boolean"),
            "reason": "",
        }
    )


@pytest.mark.parametrize("given", [(None, None, None), (None, 0.2, -np.inf)])
@pytest.mark.parametrize("conditions", [(PSI, RHO), (PSI,), (RHO,), ()])
def test_each_condition_drops_what_its_formula_says(tiny, conditions, given):
    manifest = drawn_manifest()
    settings = replace(tiny.pruning, quantile=0.25, thresholds=given)
    judged, bounds = judge(manifest, settings, conditions)
    for row, verdict in zip(manifest.itertuples(), judged.itertuples(), strict=True):
        passed = PSI not in conditions or row.psi < row.Psi
        group = manifest[(manifest["status"] == "generated") & (manifest["target_class"] == row.target_class)]
        scores = group.loc[group["psi"] < group["Psi"], "rho"] if PSI in conditions else group["rho"]
        P = given[row.target_class] if given[row.target_class] is not None else np.quantile(scores, 0.25)
        low = RHO in conditions and not row.rho > P
        reason = (
            "no mask"
            if row.status == "no mask"
            else LOOKS_LIKE_SOURCE
            if not passed
            else LOW_ATTRIBUTION
            if low
            else KEPT
        )
        assert verdict.reason == reason and verdict.kept == (reason == KEPT)
        if row.status != "generated":
            assert np.isnan(verdict.P)
        elif RHO in conditions:
            assert verdict.P == P == bounds[row.target_class]
        else:
            assert verdict.P == bounds[row.target_class] == -np.inf
    same = ["status", "target_class", "psi", "Psi", "rho"]
    pd.testing.assert_frame_equal(judged[same], manifest[same])


def test_without_a_condition_its_scores_are_not_asked_for(tiny):
    manifest = drawn_manifest().query("status == 'generated'")
    settings = replace(tiny.pruning, thresholds=(None,) * 3)
    assert judge(manifest.assign(rho=np.nan), settings, (PSI,))[0]["reason"].isin([KEPT, LOOKS_LIKE_SOURCE]).all()
    assert (
        judge(manifest.assign(psi=np.nan, Psi=np.nan), settings, (RHO,))[0]["reason"]
        .isin([KEPT, LOW_ATTRIBUTION])
        .all()
    )


# ------------------------------------------------------------------------------------------------ the stage


def attributions_by_hand(model, image, original, target, steps, on):
    """Eq. 4 by numpy's Gauss-Legendre points, one after another."""
    total = torch.zeros_like(image)
    for node, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):
        point = (original + (node + 1) / 2 * (image - original)).requires_grad_()
        score = model(point)[0, target] if on == "logit" else model(point).softmax(1)[0, target]
        total += weight / 2 * torch.autograd.grad(score, point)[0]
    return (image - original) * total


@pytest.mark.parametrize("on, steps", [("probability", 4), ("logit", 3)])
def test_the_stage_scores_each_pair_by_the_base_classifier(tiny, anew, on, steps):
    settings = replace(tiny.pruning, on=on, steps=steps, thresholds=(None, 0.02))
    run, made = anew(pruned, settings=settings, attribute_all=True)
    verdicts, train, size = read_manifest(run.folder("pruned") / MANIFEST), run.split("train"), tiny.input_format.size
    model = load_trained(run.folder("erm") / "model.safetensors", tiny.classifier, 2)
    masks = load_masks(run.folder("masks") / MASKS)
    sure = predict_logits(model, train, tiny.input_format).double().softmax(1).numpy()
    Psi = [sure[train.labels == label, label].mean() for label in (0, 1)]
    assert made.metrics["Psi"] == pytest.approx(Psi, abs=1e-6)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (tiny.input_format.mean, tiny.input_format.std))
    rows, errors = verdicts[verdicts["status"] == "generated"], []
    for row in rows.itertuples():
        png = torch.tensor(read_png(run.folder("generated") / row.file, size)).permute(2, 0, 1)
        after, before = ((pixels[None] / 255 - mean) / std for pixels in (png, train.pixels([row.source_id], size)[0]))
        scores = [model(images).softmax(1) if on == "probability" else model(images) for images in (after, before)]
        change = (scores[0] - scores[1])[0, row.target_class].item()
        found = attributions_by_hand(model, after, before, row.target_class, steps, on)
        assert row.psi == pytest.approx(model(after).softmax(1)[0, row.source_class].item(), abs=1e-5)
        assert row.Psi == pytest.approx(Psi[row.source_class], abs=1e-6)
        rho = found[0][:, masks.padded(np.array([row.source_id]))[0]].sum().item()
        assert row.rho == pytest.approx(rho, abs=1e-4)
        errors.append(abs(found.sum().item() - change))
    assert len(rows) == 5 and made.metrics["convergence_max"] == pytest.approx(max(errors), abs=1e-4)
    passed = rows[rows["psi"] < rows["Psi"]]
    P = [np.quantile(own, 0.4) if len(own := passed.loc[passed["target_class"] == 0, "rho"]) else np.nan, 0.02]
    assert made.metrics["P"] == (pytest.approx(P) if len(own) else [None, 0.02])
    assert made.counts == {"generated": 5, **verdicts["reason"].value_counts().to_dict()}
    expected = judge(verdicts, settings, CONDITIONS)[0]
    pd.testing.assert_frame_equal(
        verdicts[["kept", "reason", "P"]],
        expected[["kept", "reason", "P"]].astype({"kept": "boolean", "reason": verdicts["reason"].dtype}),
    )


def test_the_stage_attributes_what_its_conditions_need(anew):
    by_default = read_manifest(anew(pruned)[0].folder("pruned") / MANIFEST)
    passed = by_default["psi"] < by_default["Psi"]
    assert 0 < passed.sum() < 5 and (by_default["rho"].notna() == passed).all()


@pytest.mark.parametrize("conditions, scored, attributed", [((), 0, 0), ((PSI,), 5, 0), ((RHO,), 5, 5)])
def test_the_stage_computes_nothing_for_a_condition_left_out(anew, conditions, scored, attributed):
    run, made = anew(pruned, conditions=conditions)
    verdicts = read_manifest(run.folder("pruned") / MANIFEST)
    assert verdicts["psi"].notna().sum() == scored and verdicts["rho"].notna().sum() == attributed
    assert ("convergence_max" in made.metrics) == bool(conditions)
    assert attributed or made.metrics.get("convergence_max", 0.0) == 0.0


def test_a_pair_is_a_generated_row_with_its_original_and_the_mask_it_was_painted_in(tiny, finished):
    run = Run(tiny, 0, finished, "cpu")
    manifest, train = read_manifest(run.folder("generated") / MANIFEST), run.split("train")
    manifest.loc[1, "status"] = "no mask"
    pairs, kept = read_pairs(run, manifest), [0, 2, 3, 4]
    pd.testing.assert_frame_equal(pairs.rows, manifest.loc[kept])
    ids = manifest.loc[kept, "source_id"].to_numpy()
    assert pairs.originals.ids.tolist() == ids.tolist()
    assert pairs.originals.labels.tolist() == manifest.loc[kept, "source_class"].tolist()
    assert pairs.generated.labels.tolist() == manifest.loc[kept, "target_class"].tolist()
    assert pairs.generated.groups.tolist() == [
        2 * target + train.attributes[i] for i, target in zip(ids, manifest.loc[kept, "target_class"], strict=True)
    ]
    painted = load_masks(run.folder("masks") / MASKS).padded(ids)
    np.testing.assert_array_equal(pairs.masks, painted)
    for position, i in enumerate(ids):
        assert torch.equal(pairs.originals.pixels([position], 64), train.pixels([i], 64))
        png = read_png(run.folder("generated") / manifest.loc[kept[position], "file"], 64)
        np.testing.assert_array_equal(pairs.generated.pixels([position], 64)[0].permute(1, 2, 0), png)


def test_the_stage_refuses_thresholds_of_another_number_of_classes(tiny, anew):
    with pytest.raises(InputError, match=r"mini-waterbirds: thresholds \(P\) has 3 values for 2 classes"):
        anew(pruned, settings=replace(tiny.pruning, thresholds=(None,) * 3))


def test_the_record_says_what_the_stage_was_made_from(tiny, anew):
    made_from = anew(pruned)[1].record["made_from"]
    assert made_from["settings"].items() >= {"quantile": 0.4, "steps": 4, "conditions": ["psi", "rho"]}.items()
    assert set(made_from["inputs"]) == {
        "data/train",
        "erm/model.safetensors",
        "erm/train.npz",
        "masks/masks.npz",
        "generated/*",
    }
    assert made_from["models"] == {"classifier": model_identity(tiny.classifier)}

"""Eq. 3-5 against closed forms, and the decision table."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.stages.pruning import (
    attribution_score,
    class_confidence,
    decide,
    integrated_gradients,
    own_class_probability,
    score_pairs,
    threshold,
    thresholds,
)
from dbb.transforms import InputFormat

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
    attributions, error = integrated_gradients(model, images, baselines, targets, steps=4, on="logit",
                                               internal_batch_size=internal_batch_size)
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
    originals, generated = (ImageSet(ArrayPixels(rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)), y,
                                     attributes, 2, ids) for y in (labels, 1 - labels))
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


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.floats(0, 1))
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
        [("generated", 0.1, 0.9, 0.6, 0.5, "kept"),
         ("generated", 0.9, 0.9, nan, 0.5, "looks like the source class"),
         ("generated", 0.95, 0.9, 0.9, 0.5, "looks like the source class"),
         ("generated", 0.1, 0.9, 0.5, 0.5, "low attribution"),
         ("generated", 0.1, 0.9, -0.5, 0.5, "low attribution"),
         ("no mask", nan, nan, nan, nan, "no mask")],
        columns=["status", "psi", "Psi", "rho", "P", "expected"])
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
    manifest = pd.DataFrame({"target_class": [0, 0, 0, 1], "psi": [0.1, 0.2, 0.95, 0.1], "Psi": [0.9] * 4,
                             "rho": [0.4, 0.6, 5.0, 0.3]})
    assert thresholds(manifest, 0.5, (None, None)).tolist() == pytest.approx([0.5, 0.3])
    assert thresholds(manifest, 0.5, (None, 0.7)).tolist() == pytest.approx([0.5, 0.7])
    assert math.isnan(thresholds(manifest.head(0), 0.5, (None, None))[0])

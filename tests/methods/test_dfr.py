"""DFR: the regression, its penalty, how C is tuned, the mean of many, and the layer that they are folded into."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from dbb.errors import InputError
from dbb.methods import dfr
from dbb.methods.method import WORST_GROUP
from dbb.seeds import stage_generator


def drawn(n, width=4, n_classes=2, seed=0):
    """Return features, float64 (n, width), and labels that depend on them, none of which is rare."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, width))
    scores = features @ rng.normal(size=(width, n_classes)) + rng.normal(size=(n, n_classes))
    return features, scores.argmax(1)


def objective(row, features, labels, strength):
    """The penalised loss, by hand: log(1 + exp(-y (w z + b))) with y = +-1, and |w| + |b| over C."""
    margins = np.where(labels == 1, 1, -1) * (features @ row[:-1] + row[-1])
    return np.logaddexp(0, -margins).sum() + np.abs(row).sum() / strength


def minimum(features, labels, strength):
    """Minimise it by another solver: w = p - q with p, q >= 0, so that the penalty has no kink."""
    width = features.shape[1] + 1

    def split(pq):
        margins = np.where(labels == 1, 1, -1) * (features @ (pq[:width] - pq[width:])[:-1] + pq[width - 1] - pq[-1])
        return np.logaddexp(0, -margins).sum() + pq.sum() / strength

    found = minimize(split, np.full(2 * width, 0.01), bounds=[(0, None)] * 2 * width, options={"maxiter": 2000})
    return found.x[:width] - found.x[width:]


@pytest.mark.parametrize("strength", [1.0, 0.1])
def test_a_regression_minimises_the_penalised_loss_with_the_intercept_in_it(strength):
    features, labels = drawn(80)
    features += 1.5  # an intercept that matters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coefficients, intercepts = dfr.regression(features, labels, 2, strength, 0)
    assert coefficients.shape == (1, 4) and intercepts.shape == (1,)
    row, best = np.append(coefficients[0], intercepts[0]), minimum(features, labels, strength)
    least = objective(best, features, labels, strength)
    assert objective(row, features, labels, strength) == pytest.approx(least, rel=1e-4)
    assert row == pytest.approx(best, abs=0.02)


def test_several_classes_are_each_told_from_all_others():
    features, labels = drawn(90, n_classes=3)
    coefficients, intercepts = dfr.regression(features, labels, 3, 0.3, 7)
    assert coefficients.shape == (3, 4) and intercepts.shape == (3,)
    for label in range(3):
        alone = dfr.regression(features, (labels == label).astype(np.int64), 2, 0.3, 7)
        assert np.array_equal(coefficients[label], alone[0][0]) and intercepts[label] == alone[1][0]


def test_a_class_without_images_is_told():
    features, labels = drawn(20)
    with pytest.raises(InputError, match="class 2 has none of the 20 images"):
        dfr.regression(features, labels, 3, 1.0, 0)
    with pytest.raises(InputError, match="class 0 has none of the 20 images"):
        dfr.regression(features, np.ones(20, np.int64), 2, 1.0, 0)


def test_the_layer_says_of_features_what_the_regression_says_of_scaled_ones():
    rng = np.random.default_rng(0)
    features, mean, scale = rng.normal(size=(5, 4)), rng.normal(size=4), rng.uniform(0.5, 2, 4)
    one, other = rng.normal(size=(1, 4)), rng.normal(size=1)
    weight, bias = dfr.folded(one, other, mean, scale)
    logits = torch.from_numpy(features @ weight.T + bias)
    decision = ((features - mean) / scale) @ one[0] + other
    assert logits.softmax(1)[:, 1].numpy() == pytest.approx(1 / (1 + np.exp(-decision)), abs=1e-12)
    three, biases = rng.normal(size=(3, 4)), rng.normal(size=3)
    weight, bias = dfr.folded(three, biases, mean, scale)
    assert features @ weight.T + bias == pytest.approx(((features - mean) / scale) @ three.T + biases, abs=1e-12)


def test_accuracies_are_of_the_groups_that_are_there():
    features, groups = np.array([[1.0], [1.0], [-1.0], [1.0], [-1.0]]), np.array([0, 0, 0, 3, 3])
    layer = np.array([[-1.0], [1.0]]), np.zeros(2)
    right = dfr.Images(features, np.array([1, 1, 1, 1, 0]), groups)
    assert dfr.accuracies(layer, right) == (pytest.approx(2 / 3), pytest.approx(4 / 5))


def test_halves_are_drawn_and_have_every_image_once():
    learnt, held = dfr.halves(9, torch.Generator().manual_seed(0))
    assert len(learnt) == 5 and len(held) == 4
    assert sorted([*learnt, *held]) == list(range(9)) and sorted(held) != list(held)
    other = dfr.halves(9, torch.Generator().manual_seed(1))
    assert set(held) != set(other[1])
    with pytest.raises(InputError, match="1 validation images"):
        dfr.halves(1, torch.Generator())


def balanced(n, width, n_classes=2, seed=0, n_signal=2):
    """Return images of all groups g = 2 y + a, as many of each, so that nothing is left to chance, and few of whose
    features tell the class.
    """
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % (2 * n_classes)
    features = rng.normal(size=(n, width))
    features[:, :n_signal] += groups[:, None] // 2
    return dfr.Images(features * rng.uniform(0.1, 10, width), groups // 2, groups)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_c_that_is_tuned_has_the_highest_worst_group_accuracy_of_the_other_half(n_classes):
    chosen = []
    for seed in range(4):
        learnt, held = (balanced(n, 30, n_classes, seed + k, 3) for k, n in ((0, 48), (100, 96)))
        scaler, scores = StandardScaler().fit(learnt.features), {}
        for strength in (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01):
            decisions = []
            for label in range(n_classes):
                row = LogisticRegression(l1_ratio=1, C=strength, solver="liblinear", random_state=1)
                row.fit(scaler.transform(learnt.features), learnt.labels == label)
                decisions.append(row.decision_function(scaler.transform(held.features)))
            said = np.argmax(decisions, 0)
            scores[strength] = min((said == held.labels)[held.groups == g].mean() for g in range(2 * n_classes))
        chosen.append(dfr.tuned(learnt, held, n_classes, torch.Generator().manual_seed(seed)))
        assert scores[chosen[-1]] >= max(scores.values()) - 0.07  # the solver stops early, at another point each time
    assert len(set(chosen)) > 1


def test_of_equally_good_c_the_first_is_taken():
    images = balanced(40, 3)
    images.features[:, 0] = 10.0 * images.labels
    assert dfr.tuned(images, images, 2, torch.Generator()) == 1.0


def test_c_is_tuned_on_a_balanced_part(monkeypatch):
    images, seen, real = balanced(80, 3), [], dfr.regression

    def watched(features, labels, *how):
        seen.append((np.bincount(labels).tolist(), features.mean(0), features.std(0)))
        return real(features, labels, *how)

    monkeypatch.setattr(dfr, "regression", watched)
    few = images.at(np.flatnonzero((images.groups != 2) | (np.arange(80) < 20)))
    dfr.tuned(few, images, 2, torch.Generator())
    for counts, mean, deviation in seen:
        assert counts == [10, 10]
        assert mean == pytest.approx(0, abs=1e-9) and deviation == pytest.approx(1)
    assert len(seen) == 7


def test_the_layer_is_the_mean_of_many_regressions_on_balanced_parts(monkeypatch):
    """Feature 0 tells the image, so that a regression can say what it has been given."""
    groups = np.array([0] * 6 + [1] * 3 + [3] * 4)
    images = dfr.Images(np.stack([np.arange(13.0), np.ones(13)], 1), groups // 2, groups)
    parts = []

    def told(features, labels, n_classes, strength, seed):
        parts.append((features[:, 0].astype(int), labels, strength, seed))
        return features[:1] + 0.0, np.array([float(len(parts))])

    monkeypatch.setattr(dfr, "regression", told)
    as_it_is = StandardScaler(with_mean=False, with_std=False).fit(images.features)
    as_it_is.mean_, as_it_is.scale_ = np.zeros(2), np.ones(2)
    weight, bias = dfr.averaged(images, as_it_is, 2, 0.07, 30, torch.Generator().manual_seed(0))
    assert len(parts) == 30 and len({seed for *_, seed in parts}) == 30
    for part, labels, strength, _ in parts:
        assert np.bincount(groups[part], minlength=4).tolist() == [3, 3, 0, 3] and strength == 0.07
        assert np.array_equal(labels, groups[part] // 2)
    assert len({tuple(part) for part, *_ in parts}) > 10
    assert weight[1, 0] == pytest.approx(np.mean([part[0] for part, *_ in parts]))
    assert bias.tolist() == [0, pytest.approx(15.5)] and not weight[0].any()


# ------------------------------------------------------------------------------------------------ training


def only_balanced(given):
    """Return what DFR is given, with as many validation images of each group."""
    this = given(dfr.METHOD.uses)
    groups = this.validation_set.groups
    size = np.bincount(groups).min()
    return replace(
        this,
        validation_set=this.validation_set.subset(
            np.concatenate([np.flatnonzero(groups == g)[:size] for g in range(4)])
        ),
    )


@pytest.mark.parametrize("scaler", ["train", "validation"])
def test_the_last_layer_is_that_of_scikit_learn_on_scaled_features(given, scaler):
    this = only_balanced(given)
    done = dfr.train(this, dfr.Settings(retrainings=3, scaler=scaler))
    learnt = this.validation_features.double().numpy()
    scaled_by = StandardScaler().fit(this.features.double().numpy() if scaler == "train" else learnt)
    model = LogisticRegression(l1_ratio=1, C=done.measured["C"], solver="liblinear", random_state=0)
    model.fit(scaled_by.transform(learnt), this.validation_labels)
    state = done.weights[WORST_GROUP]
    logits = torch.from_numpy(learnt) @ state["head.weight"].double().T + state["head.bias"]
    expected = model.decision_function(scaled_by.transform(learnt))
    assert (logits[:, 1] - logits[:, 0]).numpy() == pytest.approx(expected, abs=0.02 * np.abs(expected).max())
    assert np.abs(expected).max() > 0.3
    assert done.measured["features used"] == np.count_nonzero(model.coef_)


def test_training_changes_the_last_layer_alone_and_is_the_same_each_time(given):
    this = given(dfr.METHOD.uses)
    first, second = (dfr.train(given(dfr.METHOD.uses), dfr.Settings(10)) for _ in range(2))
    other = dfr.train(given(dfr.METHOD.uses, seed=1), dfr.Settings(10))
    state, before = first.weights[WORST_GROUP], this.base_model.state_dict()
    changed = {name for name, value in state.items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}
    assert all(torch.equal(value, second.weights[WORST_GROUP][name]) for name, value in state.items())
    assert not torch.equal(state["head.weight"], other.weights[WORST_GROUP]["head.weight"])
    assert state["head.weight"].dtype == torch.float32 and first.steps == {}
    said = (this.validation_features @ state["head.weight"].T + state["head.bias"]).argmax(1).numpy()
    assert (said == this.validation_labels).mean() > 0.9


def test_settings_are_scored_on_validation_images_that_were_not_learnt_from(given, monkeypatch):
    learnt, measured = [], []
    averaged, accuracies = dfr.averaged, dfr.accuracies

    def learn(images, scaler, *how):
        learnt.append({row.tobytes() for row in images.features})
        assert scaler.mean_ == pytest.approx(images.features.mean(0), abs=1e-12)
        assert how[2] == 2
        return averaged(images, scaler, *how)

    def measure(layer, images):
        measured.append({row.tobytes() for row in images.features})
        return accuracies(layer, images)

    monkeypatch.setattr(dfr, "averaged", learn)
    monkeypatch.setattr(dfr, "accuracies", measure)
    done = dfr.train(given(dfr.METHOD.uses), dfr.Settings(2, scaler="validation"))
    assert [len(images) for images in learnt] == [20, 40]
    assert len(measured) == 8 and all(images == learnt[1] - learnt[0] for images in measured)
    assert list(done.scores) == [WORST_GROUP] and len(done.scores[WORST_GROUP]) == 2


def test_the_draws_come_from_the_seed_of_the_run(given, monkeypatch):
    names = []
    monkeypatch.setattr(dfr, "stage_generator", lambda *name: names.append(name) or stage_generator(*name))
    dfr.train(given(dfr.METHOD.uses, seed=5), dfr.Settings(1))
    assert names == [("dfr", 5)]


def test_a_group_may_lack_in_validation_and_a_class_may_not(given):
    whole = given().validation_set
    two, one = (whole.subset(np.flatnonzero(kept)) for kept in (whole.groups != 2, whole.groups < 2))
    done = dfr.train(given(dfr.METHOD.uses, validation_set=two), dfr.Settings(2))
    assert done.weights[WORST_GROUP]["head.weight"].isfinite().all()
    with pytest.raises(InputError, match="class 1 has none of the"):
        dfr.train(given(dfr.METHOD.uses, validation_set=one), dfr.Settings(2))


@pytest.mark.parametrize(
    "how, message", [({"retrainings": 0}, "retrainings = 0: give 1"), ({"scaler": "test"}, "unknown scaler 'test'")]
)
def test_wrong_settings_are_refused(how, message):
    with pytest.raises(InputError, match=message):
        dfr.Settings(**how)

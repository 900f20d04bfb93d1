"""DISC: environments, concepts, how classes tend to them, and the training that mixes images with their pictures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.nn.functional import cross_entropy

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import disc
from dbb.methods.concepts import (
    clusters,
    concept_probabilities,
    concept_vector,
    concept_vectors,
    environments,
    head_gradient,
    mixed,
    negatives,
    tendencies,
)
from dbb.methods.disc import METHOD, DiscoverAndCure, Settings, train
from dbb.methods.given import Given
from dbb.methods.method import AVERAGE, WORST_GROUP, Uses
from dbb.training import Batch, loop
from dbb.transforms import evaluation_input


def doubles(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------------------------ environments


def blobs(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of three blobs far apart in each of classes 0 and 2, the blob of each, and labels."""
    rng = np.random.default_rng(seed)
    blob, labels = np.tile(np.arange(3), 40), np.repeat([0, 2], 60)
    centres = np.array([[0, 0, 0, 0], [30, 0, 0, 0], [0, 30, 0, 0]])
    return rng.normal(size=(120, 4)) + centres[blob] + 100 * labels[:, None], blob, labels


def test_clusters_are_found_within_each_class_and_the_same_again():
    features, blob, labels = blobs()
    found = clusters(features, np.ones(120, bool), labels, 3, 0)
    for label in (0, 2):
        pairs = {(a, b) for a, b in zip(found[labels == label], blob[labels == label], strict=True)}
        assert len(pairs) == 3 and {a for a, _ in pairs} == {0, 1, 2}
    assert np.array_equal(found, clusters(features, np.ones(120, bool), labels, 3, 0))
    assert found.dtype == np.int64


def test_whether_the_model_is_right_parts_images_of_like_features():
    features = np.random.default_rng(0).normal(size=(60, 4)) * 1e-3
    correct = np.arange(60) % 3 > 0
    found = clusters(features, correct, np.zeros(60, np.int64), 2, 0)
    assert len({*zip(found, correct, strict=True)}) == 2


def test_a_class_with_few_images_has_one_in_each_cluster():
    features, _, labels = blobs()
    labels = np.where(np.arange(120) < 2, 1, labels)
    assert clusters(features, np.ones(120, bool), labels, 3, 0)[:2].tolist() == [0, 1]


def test_an_environment_has_of_each_class_the_cluster_that_its_permutation_names():
    rng = np.random.default_rng(0)
    labels, found = rng.integers(0, 3, 50), rng.integers(0, 2, 50)
    permutations = np.array([[0, 1], [1, 0], [1, 0]])
    parts = environments(found, labels, permutations)
    for e, part in enumerate(parts):
        assert part.tolist() == [i for i in range(50) if found[i] == permutations[labels[i]][e]]
    assert sorted(np.concatenate(parts).tolist()) == list(range(50))


# ------------------------------------------------------------------------------------------------ concepts


def test_the_vector_of_two_pictures_reaches_half_way_from_one_to_the_other():
    """The machine's weight on both is min(C, 2 / |d|^2): the margin is |d| / 2 where the distance d is large."""
    shown, other = np.array([3.0, 4.0, 1.0]), np.array([-3.0, 0.0, 1.0])
    vector = concept_vector(np.stack([other, shown]), np.array([False, True]))
    assert np.allclose(vector, (shown - other) / 2, atol=1e-3) and vector.dtype == np.float64


def test_the_vector_is_that_of_the_quadratic_program():
    """Its dual, solved by scipy: max sum(a) - |sum a y x|^2 / 2 with 0 <= a <= C = 0.1 and sum(a y) = 0."""
    rng = np.random.default_rng(0)
    shows = np.arange(14) < 6
    features, sign = rng.normal(size=(14, 3)) + 0.8 * shows[:, None], np.where(shows, 1.0, -1.0)
    kernel = (features @ features.T) * np.outer(sign, sign)
    solved = minimize(
        lambda a: a @ kernel @ a / 2 - a.sum(),
        np.full(14, 0.01),
        jac=lambda a: kernel @ a - 1,
        bounds=[(0, 0.1)] * 14,
        constraints={"type": "eq", "fun": lambda a: a @ sign, "jac": lambda a: sign},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    ).x
    v = (solved * sign) @ features
    free = (solved > 1e-4) & (solved < 0.1 - 1e-4)
    b = np.mean(sign[free] - features[free] @ v)
    expected = max((x @ v + b) / np.linalg.norm(v) for x in features) * v / np.linalg.norm(v)
    assert free.any() and np.allclose(concept_vector(features, shows), expected, atol=2e-3)


def test_pictures_that_are_all_alike_have_no_direction():
    assert not concept_vector(np.ones((6, 3)), np.arange(6) < 3).any()
    assert concept_vector(np.ones((6, 3), np.float32), np.arange(6) < 3).dtype == np.float32


@pytest.mark.parametrize("n_concepts, n_pictures, each", [(4, 10, 3), (3, 2, 1), (5, 5, 2)])
def test_negatives_are_some_pictures_of_every_other_concept(n_concepts, n_pictures, each):
    for concept in range(n_concepts):
        drawn = negatives(concept, n_concepts, n_pictures)
        shown = np.bincount(drawn // n_pictures, minlength=n_concepts)
        assert shown.tolist() == [0 if other == concept else each for other in range(n_concepts)]
    several = torch.cat([negatives(0, n_concepts, n_pictures) for _ in range(60)])
    assert len(several.unique()) == (n_concepts - 1) * n_pictures


def test_vectors_are_learnt_from_the_first_pictures_of_each_concept_and_as_many_others():
    features = doubles(6, 10, 4) + 2 * doubles(6, 1, 4, seed=1)
    torch.manual_seed(5)
    vectors = concept_vectors(features)
    torch.manual_seed(5)
    for concept in range(6):
        chosen = negatives(concept, 6, 10)[:8]  # of ten, two of each other concept: the last one is left out
        others = [features[int(p) // 10, int(p) % 10] for p in chosen]
        joined = torch.stack([*features[concept, :8], *others]).numpy()
        assert np.allclose(vectors[concept], concept_vector(joined, np.array([True] * 8 + [False] * 8)), atol=1e-12)
    assert vectors.dtype == torch.float64


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_head_s_gradient_is_autograd_s(n_classes):
    features, labels = doubles(7, 5), torch.arange(7) % n_classes
    weight, bias = (doubles(*shape, seed=1).requires_grad_() for shape in ((n_classes, 5), (n_classes,)))
    expected = torch.autograd.grad(cross_entropy(features @ weight.T + bias, labels), (weight, bias))
    found = head_gradient(features, labels, weight.detach(), bias.detach())
    assert all(torch.allclose(*pair, atol=1e-12) for pair in zip(found, expected, strict=True))


def test_tendencies_are_the_softmax_of_what_a_step_adds_to_the_logits():
    vectors, weight, bias = doubles(6, 5), doubles(3, 5, seed=1), doubles(3, seed=2)
    weight_gradient, bias_gradient, rate = doubles(3, 5, seed=3), doubles(3, seed=4), 0.7
    before = vectors @ weight.T + bias
    after = vectors @ (weight - rate * weight_gradient).T + (bias - rate * bias_gradient)
    found = tendencies(vectors, weight_gradient, bias_gradient, rate)
    assert torch.allclose(found, (after - before).softmax(1), atol=1e-12) and found.dtype == torch.float64


def test_concepts_are_drawn_by_how_much_a_tendency_differs_between_environments():
    found = doubles(4, 5, 3).softmax(2)
    expected = np.std(found.numpy(), axis=0, ddof=1).T
    expected = expected / expected.sum(1, keepdims=True)
    assert np.allclose(concept_probabilities(found), expected, atol=1e-12)
    assert torch.equal(concept_probabilities(found[:1].expand(3, -1, -1)), torch.full((3, 5), 0.2, dtype=torch.float64))


def test_a_concept_that_environments_disagree_on_is_drawn_most():
    """Class 1 lies on the side of the first direction in one environment and on the other side in the other."""
    vectors, labels, head = torch.eye(4).double(), torch.arange(20) % 2, torch.zeros(2, 4).double()
    side = (2 * labels - 1)[:, None] * vectors[0]
    parts = [head_gradient(way * side + 0.1 * doubles(20, 4, seed=way), labels, head, head[:, 0]) for way in (1, -1)]
    chances = concept_probabilities(torch.stack([tendencies(vectors, *part, 1.0) for part in parts]))
    assert (chances.argmax(1) == 0).all() and (chances[:, 0] > 0.7).all()


def test_mixtures_have_the_share_of_the_image():
    images, concepts, share = doubles(5, 3, 4, 4), doubles(5, 3, 4, 4, seed=1), torch.linspace(0, 1, 5).double()
    found = mixed(images, concepts, share)
    for i in range(5):
        assert torch.allclose(found[i], share[i] * images[i] + (1 - share[i]) * concepts[i], atol=1e-12)


# ------------------------------------------------------------------------------------------------ training


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The prompts that were painted, each as noise about a brightness of its own."""
    prompts: list[str] = []

    def paint(given: Given, wanted: Sequence[str], name: str) -> torch.Tensor:
        prompts.extend(wanted)
        noise = torch.randint(60, (len(wanted), 3, 16, 16), generator=torch.Generator().manual_seed(1))
        about = torch.tensor([len(prompt) * 37 % 190 for prompt in wanted])
        return (noise + about[:, None, None, None]).to(torch.uint8)

    monkeypatch.setattr(disc, "paint", paint)
    return prompts


def small(given: Given, **how: Any) -> Settings:
    return replace(disc.settings(given.benchmark), **{"epochs": 2, "pictures": 4, **how})


@pytest.fixture
def loss(given):
    """The loss on three concepts of one colour each, one picture often."""

    def make(this: Given, **how: Any) -> DiscoverAndCure:
        colours = torch.tensor([10, 100, 250], dtype=torch.uint8)
        return DiscoverAndCure(this, small(this, **how), colours[:, None, None, None, None].expand(3, 4, 3, 16, 16))

    return make


def a_batch(this: Given, positions: np.ndarray) -> Batch:
    images = evaluation_input(this.examples.pixels(positions), this.benchmark.input_format)
    at = torch.from_numpy(positions)
    return Batch(images, torch.from_numpy(this.labels)[at], torch.zeros_like(at), at)


def test_the_loss_adds_for_each_class_that_of_the_others_mixed_with_its_concepts(given, loss, monkeypatch):
    this = given(METHOD.uses)
    batch, model, ours = a_batch(this, np.arange(20)), this.base(), loss(this)
    ours.probabilities = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    shares = torch.linspace(0.1, 0.9, 20)
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self, shape: shares[: shape[0]])
    expected = cross_entropy(model(batch.images), batch.labels)
    for label, colour in ((0, 100), (1, 250)):
        own = [i for i in range(20) if batch.labels[i] != label]
        value = (colour / 255 - 0.5) / 0.25
        mixtures = [share * batch.images[i] + (1 - share) * value for i, share in zip(own, shares, strict=False)]
        expected = expected + cross_entropy(model(torch.stack(mixtures)), batch.labels[own])
    assert torch.allclose(ours(model.eval(), batch), expected, atol=1e-5)


def test_a_class_of_which_a_batch_has_one_other_image_adds_nothing(given, loss):
    this = given(METHOD.uses)
    ours, model = loss(this), this.base().eval()
    alone = np.append(np.flatnonzero(this.labels == 0)[:5], np.flatnonzero(this.labels == 1)[0])
    parts = [labels.tolist() for _, labels in ours._mixtures(a_batch(this, alone))]
    assert parts == [[0] * 5], "class 1 draws for the five others, class 0 for none"
    of_two = np.append(np.flatnonzero(this.labels == 0)[:2], np.flatnonzero(this.labels == 1)[0])
    assert [len(labels) for _, labels in ours._mixtures(a_batch(this, of_two))] == [2]
    of_one = a_batch(this, alone[:1])
    assert torch.allclose(ours(model, of_one), cross_entropy(model(of_one.images), of_one.labels))


def test_shares_are_of_a_beta_distribution_and_concepts_by_their_chances(given, loss, monkeypatch):
    this = given(METHOD.uses)
    ours, seen = loss(this), []
    monkeypatch.setattr(disc, "mixed", lambda images, concepts, share: seen.append((concepts, share)) or images)
    ours.probabilities = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.1, 0.8]])
    for _ in range(40):
        list(ours._mixtures(a_batch(this, np.arange(70))))
    shares = torch.cat([share for _, share in seen])
    assert abs(shares.mean() - 0.5) < 0.02 and abs(shares.var() - 0.05) < 0.005, "Beta(2, 2)"
    for label in (0, 1):
        drawn = torch.cat([concepts[:, 0, 0, 0] for concepts, _ in seen[label::2]])
        levels = ((drawn * 0.25 + 0.5) * 255).round().long()
        assert torch.allclose(
            torch.bincount(levels, minlength=251)[[10, 100, 250]] / len(drawn), ours.probabilities[label], atol=0.05
        )


def test_any_picture_of_a_concept_is_mixed(given, monkeypatch):
    this, seen = given(METHOD.uses), []
    brightness = torch.arange(0, 240, 20, dtype=torch.uint8).view(3, 4, 1, 1, 1)
    ours = DiscoverAndCure(this, small(this), brightness.expand(3, 4, 3, 16, 16))
    monkeypatch.setattr(disc, "mixed", lambda images, concepts, share: seen.append(concepts) or images)
    for _ in range(5):
        list(ours._mixtures(a_batch(this, np.arange(70))))
    assert len(torch.cat(seen)[:, 0, 0, 0].unique()) == 12


def test_an_environment_without_images_says_nothing(given, loss):
    this = given(METHOD.uses)
    this = replace(this, train_set=this.train_set.subset(range(6)))
    ours = loss(this, clusters=9)
    ours._discover(this.fresh().eval())
    assert torch.allclose(ours.probabilities.sum(1), torch.ones(2))
    assert ours.probabilities.std() > 1e-3, "chances are measured on the environments that have some"


def test_every_epoch_measures_anew_and_every_second_one_has_new_environments(given, loss, monkeypatch):
    this, seen, real = given(METHOD.uses), [], disc.concept_probabilities
    ours = loss(this, clusters=5, epochs=4)

    def noted(found: torch.Tensor) -> torch.Tensor:
        seen.append((ours.permutations.clone(), found))
        return real(found)

    monkeypatch.setattr(disc, "concept_probabilities", noted)
    this.fit(this.fresh(), ours, small(this, epochs=4, clusters=5))
    first, second, third, fourth = (permutations for permutations, _ in seen)
    assert torch.equal(first, second) and torch.equal(third, fourth) and not torch.equal(first, third)
    assert all(sorted(row) == list(range(5)) for row in first.tolist())
    assert not torch.equal(seen[0][1], seen[1][1]) and seen[0][1].shape == (5, 3, 2)


def test_what_an_environment_says_is_the_gradient_of_a_batch_of_its_own(given, loss, monkeypatch):
    """With the whole environment in one batch nothing of it is drawn."""
    this, seen = given(METHOD.uses), []
    ours, model = loss(this, batch_size=70, augmentation="none", learning_rate=0.5), this.fresh().eval()
    monkeypatch.setattr(disc, "tendencies", lambda *all_of: seen.append(all_of) or tendencies(*all_of))
    ours._discover(model)
    for e, (_, *gradient, rate) in enumerate(seen):
        own = np.array([i for i in range(70) if ours._clusters[i] == ours.permutations[this.labels[i], e]])
        batch = a_batch(this, own)
        expected = torch.autograd.grad(cross_entropy(model(batch.images), batch.labels), [*model.head.parameters()])
        assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(gradient, expected, strict=True))
        assert rate == 0.5
    assert len(seen) == 2


@pytest.mark.parametrize("batch_size, steps", [(1, 10), (16, 3)])
def test_the_step_is_as_many_times_the_rate_as_the_environment_has_batches_ten_at_most(
    given, loss, monkeypatch, batch_size, steps
):
    this, seen = given(METHOD.uses), []
    ours = loss(this, batch_size=batch_size, learning_rate=0.5)
    ours._clusters = np.where(np.arange(70) < 40, 0, 1)  # 40 and 30 images, unless classes change places
    monkeypatch.setattr(torch, "randperm", lambda n, **how: torch.arange(n))
    monkeypatch.setattr(disc, "tendencies", lambda *all_of: seen.append(all_of[-1]) or tendencies(*all_of))
    ours._discover(this.base())
    assert seen[0] == steps * 0.5


def test_batch_normalisation_keeps_the_statistics_it_came_with(given, asked):
    this = given(METHOD.uses)
    for value in this.base_model.state_dict().values():
        value.mul_(2)  # it begins with the pretrained backbone, not with the base model
    done, before = train(this, small(this)), this.fresh().state_dict()
    moved = {name for name, value in done.weights[WORST_GROUP].items() if not torch.equal(value, before[name])}
    assert "head.weight" in moved and any("convolution" in name for name in moved)
    assert not any("running" in name or "num_batches" in name for name in moved)


def test_it_needs_no_group_and_repeats_its_bits(given, asked, few):
    done = [train(this, small(this)) for this in (given(Uses.SELECTION), given(Uses.NOTHING))]
    for rule in (WORST_GROUP, AVERAGE):
        pairs = [(value, done[1].weights[rule][name]) for name, value in done[0].weights[rule].items()]
        assert all(torch.equal(*pair) for pair in pairs)
    told = done[0].measured
    assert told["concepts"] == list(dict.fromkeys(asked)) and len(told["concepts"]) == 12
    assert np.shape(told["probabilities"]) == (2, 12) and np.allclose(np.sum(told["probabilities"], 1), 1, atol=1e-5)
    assert len(asked) == 2 * 12 * 4 and asked[:4] == [asked[0]] * 4


def test_it_learns(given, asked):
    this = given(METHOD.uses)
    done, model = train(this, small(this, epochs=4)), this.fresh()
    model.load_state_dict(done.weights[AVERAGE])
    assert (given(METHOD.uses, base_model=model.eval()).logits.argmax(1).numpy() == this.labels).mean() == 1


def test_a_training_that_was_stopped_ends_with_the_same_bits(given, asked, monkeypatch, tmp_path):
    whole = train(given(METHOD.uses), small(given(), epochs=4))
    this = given(METHOD.uses, folder=tmp_path, stamp="s")
    real, saved = loop.save_state, []

    def stopped(*state: Any) -> None:
        real(*state)
        saved.append(1)
        if len(saved) == 1:  # with environments that the next epoch keeps
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(this, small(this, epochs=4))
    again = train(this, small(this, epochs=4))
    assert len(saved) == 4 and again.measured == whole.measured
    assert all(torch.equal(value, again.weights[AVERAGE][name]) for name, value in whole.weights[AVERAGE].items())


def test_three_classes_one_of_them_without_images(given, asked, few):
    three = replace(
        few,
        classes=("dark", "bright", "none"),
        words=None,
        oracle=None,
        generation=replace(few.generation, per_class=(1, 1, 1)),
        pruning=replace(few.pruning, thresholds=(None,) * 3),
        retraining=replace(few.retraining, gammas=(1.0,) * 3),
    )
    base = given(METHOD.uses, benchmark=three).fresh().eval()
    done = train(given(METHOD.uses, benchmark=three, base_model=base), small(given(benchmark=three)))
    assert done.measured["concepts"] == ["land", "water"] and np.isfinite(done.measured["losses"]).all()


def test_a_bank_of_one_concept_is_refused_before_anything_is_painted(given, asked, few):
    bare = replace(few, words=replace(few.words, concepts={"place": ("a lake",), "other": ("a lake",)}))
    with pytest.raises(InputError, match="names 1 concepts: name two or more"):
        train(given(METHOD.uses, benchmark=bare), small(given()))
    assert asked == []


@pytest.mark.parametrize("what", ["clusters", "pictures"])
def test_one_cluster_or_picture_is_refused(few, what):
    with pytest.raises(InputError, match=f"{what} = 1: give 2 or more"):
        replace(disc.settings(few), **{what: 1})


def test_the_published_settings():
    birds, pets = (disc.settings(get_benchmark(name)) for name in ("waterbirds", "metashift"))
    assert (birds.epochs, birds.batch_size, birds.learning_rate, birds.clusters, birds.pictures) == (
        10,
        32,
        1e-4,
        3,
        200,
    )
    assert (pets.epochs, pets.batch_size, pets.learning_rate, pets.clusters, pets.pictures) == (100, 16, 5e-4, 2, 200)
    assert disc.settings(get_benchmark("mini-metashift")).pictures == 16

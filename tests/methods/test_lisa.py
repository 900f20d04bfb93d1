"""LISA: which groups are paired, what a batch is made of, mixup and cutmix, the loss, and the training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import lisa
from dbb.methods.method import AVERAGE, Uses
from dbb.training import Batch

USES = Uses.TRAINING | Uses.SELECTION
METASHIFT = (231, 380, 0, 0, 0, 0, 0, 145, 367, 0)


def of_counts(counts, n_attributes):
    """Return labels and groups of as many images of each group."""
    groups = np.repeat(np.arange(len(counts)), counts)
    return groups // n_attributes, groups


# ------------------------------------------------------------------------------------------------ pairs


def test_two_classes_with_two_attributes_have_the_official_pairs():
    assert lisa.pairs([0, 1, 2, 3], 2, "label") == [(0, 1), (2, 3)]
    assert lisa.pairs([0, 1, 2, 3], 2, "attribute") == [(0, 2), (1, 3)]


def test_every_pair_of_groups_that_are_there_is_mixed():
    groups = [0, 1, 2, 3, 5, 7]  # of 3 classes and 3 attributes: y = 0 0 0 1 1 2, a = 0 1 2 0 2 1
    assert sorted(lisa.pairs(groups, 3, "label")) == [(0, 1), (0, 2), (1, 2), (3, 5), (7, 7)]
    assert sorted(lisa.pairs(groups, 3, "attribute")) == [(0, 3), (1, 7), (2, 5)]


def test_a_batch_has_groups_or_where_no_attribute_is_shared_classes():
    labels, groups = of_counts((30, 4, 0, 20), 2)
    strata, within_label, within_attribute = lisa.strata_and_pairs(labels, groups, 2)
    assert np.array_equal(strata, groups)
    assert sorted(within_label) == [(0, 1), (3, 3)] and sorted(within_attribute) == [(0, 0), (1, 3)]
    for counts, n_attributes in ((METASHIFT, 5), ((9, 0, 0, 9), 2)):
        labels, groups = of_counts(counts, n_attributes)
        strata, within_label, within_attribute = lisa.strata_and_pairs(labels, groups, n_attributes)
        assert np.array_equal(strata, labels)
        assert within_label == within_attribute == [(0, 0), (1, 1)]


def test_batches_have_as_many_images_of_each_stratum_and_go_through_it():
    strata = np.array([5] * 7 + [1] * 3 + [2] * 40)[np.random.default_rng(0).permutation(50)]
    sampler = lisa.stratified_batches(strata, 4, 6)
    batches = sampler(torch.Generator().manual_seed(0))
    assert len(batches) == 6
    for batch in batches:
        assert batch.dtype == np.int64 and np.bincount(strata[batch], minlength=6).tolist() == [0, 4, 4, 0, 0, 4]
    for stratum, size in ((5, 7), (1, 3), (2, 40)):
        drawn = [position for batch in batches for position in batch if strata[position] == stratum]
        for start in range(0, 24, size):
            piece = drawn[start : start + size]
            assert len(set(piece)) == len(piece)
    again, other = (sampler(torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert np.array_equal(batches, again) and not np.array_equal(batches, other)


# ------------------------------------------------------------------------------------------------ mixing


def drawn(n=5, height=6, width=9, n_classes=3, seed=0):
    """Return two batches of images and of soft labels, float64."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(2, n, 3, height, width, generator=rng, dtype=torch.float64)
    labels = torch.rand(2, n, n_classes, generator=rng, dtype=torch.float64).softmax(2)
    return *images, *labels


def test_mixup_has_one_lambda_for_each_pair():
    x, other_x, y, other_y = drawn()
    shares = torch.tensor([0.0, 1.0, 0.25, 0.5, 0.9], dtype=torch.float64)
    images, labels = lisa.mixup(x, other_x, y, other_y, shares)
    for i, share in enumerate(shares.tolist()):
        assert torch.allclose(images[i], share * x[i] + (1 - share) * other_x[i], rtol=0, atol=1e-15)
        assert torch.allclose(labels[i], share * y[i] + (1 - share) * other_y[i], rtol=0, atol=1e-15)
    assert images.dtype == labels.dtype == torch.float64


def test_a_box_is_the_official_one():
    """As rand_bbox of the official code has it, for rows and columns alike."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        size, share = rng.integers(1, 40, 2), rng.beta(0.2, 0.2)
        centre = rng.integers(size)
        expected = []
        for length, middle in zip(size, centre, strict=True):
            cut = np.floor(length * np.sqrt(1 - share)).astype(int)
            expected += [np.clip(middle - cut // 2, 0, length), np.clip(middle + cut // 2, 0, length)]
        assert lisa.cut_box(tuple(size.tolist()), share, tuple(centre.tolist())) == tuple(expected)
    assert lisa.cut_box((224, 100), 0.75, (112, 10)) == (56, 168, 0, 35)


@pytest.mark.parametrize("box", [(1, 4, 2, 9), (0, 6, 0, 9), (3, 3, 0, 9)])
def test_cutmix_exchanges_the_box_and_lambda_is_what_is_kept(box):
    x, other_x, y, other_y = drawn()
    before = x.clone()
    images, labels = lisa.cutmix(x, other_x, y, other_y, box)
    top, bottom, left, right = box
    kept = 1 - (bottom - top) * (right - left) / 54
    assert len(images) == len(labels) == 10
    for i in range(5):
        for row in range(6):
            for column in range(9):
                inside = top <= row < bottom and left <= column < right
                own, other = (other_x, x) if inside else (x, other_x)
                assert torch.equal(images[i, :, row, column], own[i, :, row, column])
                assert torch.equal(images[5 + i, :, row, column], other[i, :, row, column])
        assert torch.allclose(labels[i], kept * y[i] + (1 - kept) * other_y[i], rtol=0, atol=1e-15)
        assert torch.allclose(labels[5 + i], kept * other_y[i] + (1 - kept) * y[i], rtol=0, atol=1e-15)
    assert torch.equal(x, before) and images.dtype == labels.dtype == torch.float64


# ------------------------------------------------------------------------------------------------ loss


def batch_of(labels, positions=None, size=4, seed=0):
    """Return a batch whose images tell by their one value which they are."""
    labels = torch.as_tensor(labels)
    positions = torch.arange(len(labels)) if positions is None else torch.as_tensor(positions)
    images = (1.0 + positions.double())[:, None, None, None].expand(-1, 3, size, size)
    return Batch(images.float(), labels[positions], torch.zeros_like(positions), positions)


def loss_of(counts, n_attributes, **how):
    """Return the loss of training images with ``counts`` of each group, and their labels and groups."""
    labels, groups = of_counts(counts, n_attributes)
    strata, within_label, within_attribute = lisa.strata_and_pairs(labels, groups, n_attributes)
    settings = replace(lisa.PAPER["waterbirds"], **how)
    n_classes = len(counts) // n_attributes
    return lisa.MixedLoss(torch.from_numpy(strata), n_classes, within_label, within_attribute, settings), labels, groups


@pytest.mark.parametrize("same_label", [1.0, 0.0])
def test_a_mixed_image_and_its_label_are_of_two_images_that_share_a_label_or_an_attribute(same_label):
    """Each mixed image is looked for among all pairs: lambda is told by the label where the two classes differ."""
    loss, labels, groups = loss_of((4, 4, 4, 4, 4, 4), 2, same_label=same_label)
    torch.manual_seed(0)
    images, targets = loss.mixed(batch_of(labels))
    n_pairs = 3 if same_label else 6
    assert images.shape == (4 * n_pairs, 3, 4, 4) and targets.shape == (4 * n_pairs, 3)
    assert targets.sum(1) == pytest.approx(torch.ones(len(targets)))
    if same_label:
        assert torch.equal(targets.sort(1).values[:, 2], torch.ones(len(targets)))
        return
    lambdas = set()
    for image, target in zip(images, targets, strict=True):
        value = image[0, 0, 0].item()
        one, other = torch.nonzero(target)[:, 0].tolist()
        found = [
            (i, j)
            for i in range(24)
            for j in range(24)
            if labels[i] == one and labels[j] == other and groups[i] % 2 == groups[j] % 2
            if abs(target[one].item() * (1 + i) + target[other].item() * (1 + j) - value) < 1e-4
        ]
        assert found and torch.equal(image, image[:1, :1, :1].expand_as(image))
        lambdas.add(target[one].item())
    assert len(lambdas) == len(images)


@pytest.mark.parametrize("mixing, n", [("mixup", 8), ("cutmix", 16)])
def test_cutmix_gives_two_images_a_pair_and_one_lambda_for_all_of_a_pair_of_groups(mixing, n):
    loss, labels, _ = loss_of((4, 4, 4, 4), 2, same_label=0.0, mixing=mixing)
    torch.manual_seed(3)
    images, targets = loss.mixed(batch_of(labels, size=16))
    assert len(images) == len(targets) == n
    different = {round(value, 6) for value in targets.max(1).values.tolist()}
    assert len(different) == (8 if mixing == "mixup" else 2)


def test_images_of_a_group_without_partner_are_mixed_with_each_other():
    loss, labels, _ = loss_of((5, 5, 0, 5), 2, same_label=1.0, mixing="cutmix")
    torch.manual_seed(0)
    images, targets = loss.mixed(batch_of(labels, size=16))
    assert len(images) == 10 + 4
    of_class_1 = images[targets[:, 1] == 1]
    assert len(of_class_1) == 4 and {*of_class_1.unique().tolist()} == {11.0, 12.0, 13.0, 14.0}


def test_without_a_shared_attribute_the_halves_of_each_class_are_mixed():
    loss, labels, groups = loss_of(METASHIFT, 5, mixing="cutmix", same_label=0.0)
    rng = np.random.default_rng(0)
    positions = np.concatenate([rng.permutation(np.flatnonzero(labels == y))[:16] for y in (0, 1)])
    torch.manual_seed(1)
    images, targets = loss.mixed(batch_of(labels, positions, size=16))
    assert torch.equal(targets, torch.eye(2).repeat_interleave(16, 0))
    across = 0
    for i, image in enumerate(images):
        own, partner = positions[i], positions[i + 8 if i % 16 < 8 else i - 8]
        assert {*image.unique().tolist()} == {1.0 + own, 1.0 + partner}
        across += groups[own] != groups[partner]
    assert 0 < across < 32  # whatever the attributes


def test_a_batch_with_unequal_groups_is_cut_to_the_smaller_one():
    loss, labels, _ = loss_of((4, 4, 4, 4), 2, same_label=1.0)
    torch.manual_seed(0)
    positions = [0, 1, 2, 4, 8, 9, 12, 13]
    assert loss.mixed(batch_of(labels, positions))[1].tolist() == [[1, 0], [0, 1], [0, 1]]


def test_chances_are_those_of_the_settings(monkeypatch):
    loss, labels, _ = loss_of((6, 6, 6, 6), 2, same_label=0.3)
    torch.manual_seed(0)
    same, lambdas = 0, []
    for _ in range(150):
        targets = loss.mixed(batch_of(labels, size=1))[1]
        within = bool((targets.max(1).values == 1).all())
        same += within
        lambdas += [] if within else targets[:, 0].tolist()
    assert same / 150 == pytest.approx(0.3, abs=0.1)
    assert np.mean(lambdas) == pytest.approx(0.5, abs=0.03)
    assert np.var(lambdas) == pytest.approx(1 / 20, rel=0.15)  # of Beta(2, 2)

    shares, centres, real = [], [], lisa.cut_box

    def noted(size, share, centre):
        shares.append(share)
        centres.append(centre)
        return real(size, share, centre)

    monkeypatch.setattr(lisa, "cut_box", noted)
    loss = replace(loss, settings=replace(loss.settings, mixing="cutmix"))
    for _ in range(150):
        loss.mixed(batch_of(labels, size=3))
    assert np.var(shares) == pytest.approx(1 / (4 * 1.4), rel=0.1)  # of Beta(0.2, 0.2)
    assert np.bincount([3 * row + column for row, column in centres]) == pytest.approx(300 / 9, rel=0.5)


class Linear(nn.Module):
    """Logits of images by a table, so that they can be computed by hand."""

    def forward(self, images):
        return images[:, :, 0, 0] * torch.tensor([1.0, -2.0, 0.5])


def test_the_loss_is_the_mean_cross_entropy_of_soft_labels():
    loss, labels, _ = loss_of((2, 2, 2, 2, 2, 2), 2, same_label=0.0)
    batch = batch_of(labels)
    torch.manual_seed(4)
    images, targets = loss.mixed(batch)
    torch.manual_seed(4)
    found = loss(Linear(), batch)
    z = Linear()(images).double().numpy()
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    assert found.item() == pytest.approx(-(targets.double().numpy() * log_p).sum(1).mean(), rel=1e-5)
    assert (targets > 0).sum(1).max() == 2


# ------------------------------------------------------------------------------------------------ training


@pytest.mark.parametrize("mixing", ["mixup", "cutmix"])
def test_the_same_seed_gives_the_same_bits(given, few, mixing):
    settings = replace(lisa.settings(few), mixing=mixing, epochs=1)
    one, other, third = (lisa.train(given(USES, seed=seed), settings) for seed in (0, 0, 1))
    state = one.weights[AVERAGE]
    assert all(torch.equal(value, other.weights[AVERAGE][name]) for name, value in state.items())
    assert not torch.equal(state["head.weight"], third.weights[AVERAGE]["head.weight"])
    assert one.measured["losses"] == other.measured["losses"]


def counted(monkeypatch):
    """Watch the loss; return what it sees: the groups of each batch's images, by their positions."""
    seen, real = [], lisa.MixedLoss.mixed

    def mixed(self, batch):
        seen.append(self.strata[batch.indices])
        return real(self, batch)

    monkeypatch.setattr(lisa.MixedLoss, "mixed", mixed)
    return seen


def test_batches_are_shared_by_the_groups_that_are_there(given, few, monkeypatch):
    seen, whole = counted(monkeypatch), given().train_set
    sizes = np.bincount(whole.groups)
    assert sizes.argmin() != 2
    three = whole.subset(np.flatnonzero(whole.groups != 2))
    for train_set, short, n_batches, per_group in (
        (whole, False, 5, [4, 4, 4, 4]),
        (whole, True, -(-sizes.min() // 4), [4, 4, 4, 4]),
        (three, False, -(-len(three) // 16), [5, 5, 0, 5]),
        (three, True, -(-sizes.min() // 5), [5, 5, 0, 5]),
    ):
        seen.clear()
        lisa.train(given(USES, train_set=train_set), replace(lisa.settings(few), short=short, epochs=1))
        assert len(seen) == n_batches
        assert all(torch.bincount(groups, minlength=4).tolist() == per_group for groups in seen)


def test_at_least_two_of_each_stratum_are_in_a_batch(given, few, monkeypatch):
    seen = counted(monkeypatch)
    whole = given().train_set
    settings = replace(lisa.settings(few), epochs=1, batch_size=3, short=True)
    lisa.train(given(USES, train_set=replace(whole, attributes=whole.labels)), settings)
    assert all(torch.bincount(classes).tolist() == [2, 2] for classes in seen) and seen


@pytest.mark.parametrize("same_label", [1.0, 0.0])
def test_training_mixes_within_labels_as_often_as_it_is_told(given, few, monkeypatch, same_label):
    seen, real = [], lisa.MixedLoss.mixed

    def mixed(self, batch):
        images, targets = real(self, batch)
        seen.append(bool((targets.max(1).values == 1).all()))
        return images, targets

    monkeypatch.setattr(lisa.MixedLoss, "mixed", mixed)
    lisa.train(given(USES), replace(lisa.settings(few), epochs=1, same_label=same_label))
    assert seen == [bool(same_label)] * 5


def test_training_on_mixed_images_learns_the_classes(given, few):
    done = lisa.train(given(USES), replace(lisa.settings(few), epochs=4))
    assert done.measured["losses"][-1] < done.measured["losses"][0]
    assert set(done.steps) == {"worst group", "average"}


@pytest.mark.parametrize(
    "how, message",
    [({"mixing": "cut"}, "unknown mixing 'cut': choose one of mixup, cutmix"), ({"same_label": 1.5}, "1.5: give")],
)
def test_wrong_settings_are_refused(how, message):
    with pytest.raises(InputError, match=message):
        replace(lisa.PAPER["waterbirds"], **how)


def test_published_batches_have_sixteen_of_each_group_or_class():
    for name, strata in (("waterbirds", 4), ("celeba", 4), ("metashift", 2)):
        assert lisa.settings(get_benchmark(name)).batch_size == 16 * strata

"""DaC against loops and written-out formulas: masks, knees, composed images, the loss, what is trained."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import dac
from dbb.methods.cam import packed, training_heat_maps, unpacked
from dbb.methods.dac import (
    METHOD,
    QUANTILES,
    composing_loss,
    fuse,
    knee,
    losses_under,
    low_losses,
    masked,
    partners,
    quantile_masks,
    renew,
    settings,
    train,
    training_masks,
)
from dbb.methods.method import Uses
from dbb.training import Batch
from dbb.transforms import evaluation_input


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ------------------------------------------------------------------------------------------------ masks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mask_keeps_what_is_at_least_the_quantile(dtype):
    heat = draws(7, 5, 5).relu().to(dtype)
    heat[6] = heat[6].round()  # ties
    masks = quantile_masks(heat)
    assert masks.shape == (6, 7, 5, 5) and masks.dtype == torch.bool
    for q, quantile in enumerate(QUANTILES):
        for i, picture in enumerate(heat.numpy()):
            assert np.array_equal(masks[q, i].numpy(), picture >= np.quantile(picture, quantile)), (quantile, i)


def test_the_quantile_that_is_a_pixel_keeps_that_pixel():
    for n in (4, 21):  # places 15 q and 440 q of the sorted pixels
        heat = draws(1, n, n, seed=n).argsort().view(1, -1).argsort().view(1, n, n).to(torch.float32)
        for quantile, mask in zip((0.2, 0.6, 0.8), quantile_masks(heat, (0.2, 0.6, 0.8)), strict=True):
            place = round(quantile * (n * n - 1))
            assert abs(place - quantile * (n * n - 1)) < 1e-9 and mask.sum() == n * n - place


def test_an_image_without_heat_is_kept_whole():
    assert quantile_masks(torch.zeros(2, 3, 3)).all()


def knee_by_hand(losses):
    """Kneedle by its steps, as kneed 0.8.5 takes them: end points count as extrema, the last knee wins."""
    x, y = np.array(QUANTILES), np.array(losses)
    x, y = (x - x.min()) / np.ptp(x), (y - y.min()) / np.ptp(y)
    d = (y.max() - y)[::-1] - x
    n, found, threshold, top = len(d), None, None, None
    for i in range(n - 1):
        neighbours = d[max(i - 1, 0)], d[i + 1]
        if all(d[i] >= other for other in neighbours):
            threshold, top = d[i] - abs(np.diff(x).mean()), i
        if top is None:
            continue
        if all(d[i] <= other for other in neighbours):
            threshold = 0.0
        if d[i + 1] < threshold:
            found = QUANTILES[n - 1 - top]
    return found


def test_the_knee_is_that_of_kneedle():
    generator = np.random.default_rng(0)
    curves = [*generator.random((80, 6)), *np.sort(generator.random((80, 6)), 1)]
    expected = [knee_by_hand(curve) for curve in curves]
    assert [knee(curve) for curve in curves] == [0.8 if found is None else found for found in expected]
    assert {None, *QUANTILES[1:-1]} <= set(expected)


@pytest.mark.parametrize(
    "losses, quantile",
    [
        ([0, 0, 0, 0, 0, 1], 0.7),
        ([0, 0, 0, 1, 2, 3], 0.5),
        ([0, 0.1, 0.2, 4, 5, 6], 0.5),
        ([3, 2, 1, 0.5, 0.2, 0.1], 0.8),
        ([0.25] * 6, 0.8),
    ],
)
def test_the_knee_is_where_the_loss_begins_to_grow_and_the_last_quantile_where_it_does_not(losses, quantile):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert knee(np.array(losses, float)) == quantile


class Flat(nn.Module):
    """Logits of 3 classes, linear in pixels."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(draws(3, 3 * size * size, seed=9))

    def forward(self, images):
        return images.flatten(1) @ self.weight.T


def test_losses_are_of_images_with_0_where_they_are_dropped():
    model, images, labels = Flat(4), draws(5, 3, 4, 4), torch.tensor([0, 1, 2, 2, 1])
    masks = draws(6, 5, 4, 4, seed=1) > 0
    losses = losses_under(model, images, labels, masks)
    assert losses.shape == (6, 5) and not losses.requires_grad
    for q in range(6):
        for i in range(5):
            dropped = images[i].clone()
            dropped[:, ~masks[q, i]] = 0
            expected = -model(dropped[None])[0].log_softmax(0)[labels[i]]
            assert losses[q, i].item() == pytest.approx(expected.item(), abs=1e-12)


def test_training_masks_are_those_of_each_image_s_own_knee(given, few):
    this = given(Uses.SELECTION)
    model, labels = this.base(), torch.from_numpy(this.labels)
    made = training_masks(this)
    heat = torch.cat([heat for *_, heat in training_heat_maps(this, model)])
    images = evaluation_input(this.train_set.pixels(range(70), 16), few.input_format)
    losses = losses_under(model, images, labels, quantile_masks(heat)).double().numpy()
    kept = unpacked(made["kept"])
    for i, picture in enumerate(heat.numpy()):
        found = None if np.ptp(losses[:, i]) == 0 else knee_by_hand(losses[:, i])
        quantile = 0.8 if found is None else found
        assert QUANTILES[made["dropped"][i]] == quantile
        assert np.array_equal(kept[i].numpy(), picture >= np.quantile(picture, quantile))
    assert len(made["dropped"].unique()) > 1 and training_masks(this) is made


# ------------------------------------------------------------------------------------------------ images


@pytest.mark.parametrize("share", [0.0, 0.6, 0.8, 1.0])
def test_low_losses_are_those_up_to_the_quantile(share):
    losses = draws(51).exp().float()
    low = low_losses(losses, share)
    assert np.array_equal(low.numpy(), losses.numpy() <= np.quantile(losses.double().numpy(), share))
    assert low.sum() == round(50 * share) + 1


def test_partners_are_of_all_other_classes_alike():
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    torch.manual_seed(0)
    drawn = torch.stack([partners(labels) for _ in range(1500)])
    assert (labels[drawn] != labels).all()
    for i in range(6):
        counts = torch.bincount(drawn[:, i], minlength=6)[labels != labels[i]]
        assert (counts / 1500 - 1 / len(counts)).abs().max() < 0.05, "with replacement, each as likely"
    torch.manual_seed(0)
    assert torch.equal(partners(labels), drawn[0])


def test_partners_of_one_class_are_a_permutation():
    torch.manual_seed(0)
    drawn = [partners(torch.full((9,), 2)) for _ in range(5)]
    assert all(one.sort().values.tolist() == list(range(9)) for one in drawn)
    assert len({tuple(one.tolist()) for one in drawn}) == 5
    assert partners(torch.tensor([1])).tolist() == [0]


def test_images_are_masked_and_composed_as_written():
    images, kept, fill = draws(6, 3, 4, 4), draws(6, 4, 4, seed=1) > 0, draws(3, seed=2).view(3, 1, 1)
    chosen, m = torch.tensor([3, 4, 5, 0, 0, 5]), kept[:, None].double()
    expected = images * m + (1 - m) * fill
    torch.testing.assert_close(masked(images, kept, fill), expected, atol=1e-12, rtol=0)
    theirs = m[chosen]
    expected = images * m + (1 - m) * (1 - theirs) * images[chosen] + (1 - m) * theirs * fill
    torch.testing.assert_close(fuse(images, kept, chosen, fill), expected, atol=1e-12, rtol=0)


# ------------------------------------------------------------------------------------------------ training


def batch_of(indices, labels, n=8):
    images, indices = draws(n, 3, 4, 4).float(), torch.tensor(indices)
    return Batch(images[indices], torch.tensor(labels)[indices], torch.zeros_like(indices), indices)


KEPT = draws(8, 4, 4, seed=3) > 0
LABELS = [0, 1, 2, 0, 1, 2, 0, 0]


def test_the_loss_is_that_of_the_batch_and_alpha_times_both_of_its_low_part(monkeypatch):
    low = torch.tensor([True, True, False, False, True, True, False, True])
    batch, model = batch_of([7, 2, 5, 1, 3, 7], LABELS), Flat(4).float()
    chosen = torch.tensor([1, 0, 0, 2])
    seen = []
    monkeypatch.setattr(dac, "partners", lambda labels: seen.append(labels.tolist()) or chosen)
    result = composing_loss(packed(KEPT), low, 3.5)(model, batch)
    assert seen == [[0, 2, 1, 0]]
    x, part = batch.images.double(), [0, 2, 3, 5]  # places of 7, 5, 1 and 7 again
    own, m, y = x[part], KEPT[[7, 5, 1, 7]][:, None].double(), torch.tensor([0, 2, 1, 0])
    mean = torch.stack([x[:, channel].mean() for channel in range(3)]).view(1, 3, 1, 1)
    hidden = own * m + (1 - m) * mean
    composed = own * m + (1 - m) * (1 - m[chosen]) * own[chosen] + (1 - m) * m[chosen] * mean
    model = model.double()
    terms = [cross_entropy(model(x), batch.labels), cross_entropy(model(hidden), y), cross_entropy(model(composed), y)]
    expected = terms[0] + 3.5 * terms[1] + 3.5 * terms[2]
    assert result.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_batch_without_low_losses_is_trained_on_plainly():
    batch, model = batch_of([0, 4, 6], LABELS), Flat(4).float()
    loss = composing_loss(packed(KEPT), torch.tensor([False, True] + [False] * 6), 3.5)(model, batch)
    assert loss.item() == pytest.approx(cross_entropy(model(batch.images), batch.labels).item(), rel=1e-6)


def test_all_that_is_new_goes_through_the_network_with_the_batch():
    sizes, model = [], Flat(4).float()
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    composing_loss(packed(KEPT), torch.tensor([True] * 5 + [False] * 3), 1.0)(model, batch_of([0, 1, 5, 6], LABELS))
    assert sizes == [4 + 2 + 2]


def test_a_new_head_is_xavier_s():
    head, again, other = nn.Linear(600, 3), nn.Linear(600, 3), nn.Linear(600, 3)
    for one, seed in ((head, 0), (again, 0), (other, 1)):
        renew(one, seed)
    bound = (6 / 603) ** 0.5
    assert 0.99 * bound < head.weight.abs().max() <= bound and not head.bias.any()
    assert head.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert torch.equal(head.weight, again.weight) and not torch.equal(head.weight, other.weight)
    assert head.weight.requires_grad and head.weight.is_leaf


FEW = settings(replace(get_benchmark("mini-waterbirds"), name="own"))


@pytest.fixture
def chosen(few):
    return replace(settings(few), learning_rate=0.05)


@pytest.fixture
def trained_base(given):
    """A base model whose backbone is not the pretrained one."""
    model = given().base()
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.mul_(1.1)
    return model.eval()


def test_only_the_head_of_the_base_model_is_trained_and_running_statistics_move(given, chosen, trained_base):
    this = given(Uses.SELECTION, rules=METHOD.rules, base_model=trained_base)
    before = {name: value.clone() for name, value in this.base_model.state_dict().items()}
    done = train(this, chosen)
    assert set(done.weights) == set(METHOD.rules) and len(done.measured["losses"]) == chosen.epochs
    state = done.weights[METHOD.rules[0]]
    changed = {name for name, value in state.items() if not torch.equal(value, before[name])}
    statistics = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert changed == statistics | {"head.weight", "head.bias"}
    assert all(torch.equal(value, before[name]) for name, value in this.base_model.state_dict().items())
    assert sum(done.measured["dropped"].values()) == 70
    assert done.measured["low_loss_images"] == 56  # the quantile .8 of 70 lies after the 56th
    again = train(given(Uses.SELECTION, rules=METHOD.rules, base_model=trained_base), chosen)
    assert all(torch.equal(value, state[name]) for name, value in again.weights[METHOD.rules[0]].items())


def test_alpha_and_the_seed_have_a_part_in_the_training(given, chosen):
    this = given(Uses.SELECTION, rules=METHOD.rules)
    short = replace(chosen, epochs=1)
    losses = [
        train(which, settings).measured["losses"]
        for which, settings in [(this, short), (this, replace(short, alpha=1.0)), (replace(this, seed=1), short)]
    ]
    assert losses[0] > losses[1] and losses[2] != losses[0]


def test_the_head_begins_anew(given, chosen, monkeypatch):
    began, real = [], dac.renew
    monkeypatch.setattr(dac, "renew", lambda head, seed: (real(head, seed), began.append((head.weight.clone(), seed))))
    this = given(Uses.SELECTION, rules=METHOD.rules, seed=5)
    done = train(this, replace(chosen, learning_rate=1e-9))
    ((weight, seed),) = began
    assert seed == 5 and torch.allclose(done.weights[METHOD.rules[0]]["head.weight"], weight, atol=1e-6)


@pytest.mark.parametrize("kept_groups", [(0, 3), (0, 1)])
def test_groups_and_classes_may_be_missing(given, chosen, kept_groups):
    this = given(Uses.SELECTION, rules=METHOD.rules)
    there = np.flatnonzero(np.isin(this.train_set.groups, kept_groups))
    done = train(replace(this, train_set=this.train_set.subset(there)), chosen)
    assert all(value.isfinite().all() for value in done.weights[METHOD.rules[0]].values())


@pytest.mark.parametrize(
    "what, message",
    [
        ({"alpha": -1.0}, "alpha = -1.0: give 0 or more"),
        ({"low_loss": 1.5}, "low_loss = 1.5: give a share"),
        ({"augmentation": "crop"}, "augmentation = 'crop': .* give 'none'"),
    ],
)
def test_settings_that_cannot_be_are_refused(what, message):
    with pytest.raises(InputError, match=message):
        replace(FEW, **what)


def test_settings_are_the_published_ones_or_the_defaults():
    published = settings(get_benchmark("waterbirds"))
    assert (published.alpha, published.low_loss, published.learning_rate) == (10.0, 0.6, 5e-3)
    assert (published.epochs, published.batch_size, published.weight_decay) == (20, 64, 0.0)
    own = get_benchmark("mini-waterbirds").erm
    assert (FEW.alpha, FEW.low_loss, FEW.epochs, FEW.batch_size) == (6.0, 0.8, own.epochs, own.batch_size)
    assert settings(get_benchmark("metashift")).epochs == 20
    assert METHOD.uses == Uses.SELECTION

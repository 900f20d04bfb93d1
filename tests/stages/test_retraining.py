"""Eq. 6-8 against a loop, and retraining with whatever pruning left."""

import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import Benchmark, RetrainingSettings
from dbb.data.images import ArrayPixels
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.models.classifier import load_classifier, load_trained, predict_logits
from dbb.stages import retraining
from dbb.stages.manifest import MANIFEST, generated_set, read_manifest, write_manifest
from dbb.stages.retraining import ddb_loss, kept_counts, read_all, read_kept, retrain, retrained
from dbb.stages.run import Run, model_identity
from dbb.training import loop
from dbb.transforms import evaluation_input

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = RetrainingSettings(epochs=2, batch_size=16, learning_rate=1e-2, weight_decay=0.0, gammas=(6.0, 10.0))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=20), st.integers(0, 99))
def test_the_loss_is_the_weighted_sum_of_the_parts_means(images, seed):
    labels, part = torch.tensor(images).T
    logits = torch.randn(
        len(images), 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, requires_grad=True
    )
    expected = 0.0
    for which, gamma in ((0, 1.0), (1, 6.0), (2, 10.0)):
        terms = [
            -np.log(np.exp(row[y]) / np.exp(row).sum())
            for row, y, p in zip(logits.tolist(), labels, part, strict=True)
            if p == which
        ]
        expected += gamma * sum(terms) / len(terms) if terms else 0.0
    loss = ddb_loss(logits, labels, part, (6.0, 10.0))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_without_generated_images_it_is_plain_cross_entropy():
    logits, labels = torch.randn(9, 2), torch.arange(9) % 2
    expected = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(ddb_loss(logits, labels, torch.zeros(9, dtype=torch.long), (6, 10)), expected)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


TRAIN, GENERATED, VAL = bright_and_dark(40, 0), bright_and_dark(24, 1), bright_and_dark(30, 2)


@pytest.mark.parametrize(
    "kept", [range(24), np.flatnonzero(GENERATED.labels == 1), []], ids=["both classes", "one class", "none"]
)
def test_retraining_goes_on_whatever_was_pruned(backbone, kept):
    states = []
    for _ in range(2):
        model = load_classifier(backbone, 2, 0)
        done = retrain(model, TRAIN, GENERATED.subset(kept), VAL, SETTINGS, (6.0, 10.0), FORMAT, seed=0)
        states.append(model.state_dict())
    assert all(np.isfinite(entry["loss"]) for entry in done.history)
    worst = [entry["worst_group"] for entry in done.history]
    assert worst[done.best_epoch - 1] == max(worst)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_generated_images_change_the_result_and_so_does_a_new_head(backbone):
    results = []
    for kept, reset in ((range(24), False), (range(24), True), ([], False)):
        model = load_classifier(backbone, 2, 9)
        retrain(model, TRAIN, GENERATED.subset(kept), VAL, SETTINGS, (6.0, 10.0), FORMAT, 0, reset_head=reset)
        results.append(model.head.weight.detach())
    assert not torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_a_killed_retraining_goes_on_from_its_checkpoint(backbone, tmp_path, monkeypatch):
    how = {"checkpoint": tmp_path / "training.safetensors", "stamp": "test"}
    results, real, calls = [], retraining.ddb_loss, iter(range(100))

    def killed(*given):
        if next(calls) == 6:  # the third batch of the second epoch
            raise KeyboardInterrupt
        return real(*given)

    def run(**more):
        model = load_classifier(backbone, 2, 9)
        done = retrain(model, TRAIN, GENERATED, VAL, SETTINGS, (6.0, 10.0), FORMAT, 0, reset_head=True, **more)
        results.append((model.state_dict(), done))

    run()
    monkeypatch.setattr(retraining, "ddb_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        run(**how)
    run(**how)
    (whole, done), (on, again) = results
    assert again.went_on_after == 1 and next(calls) == 11
    np.testing.assert_equal(done.history, again.history)  # which takes NaN for NaN
    assert done.best_epoch == again.best_epoch
    assert all(torch.equal(value, on[name]) for name, value in whole.items())


def test_one_gamma_per_class(backbone):
    with pytest.raises(InputError, match="1 gammas for 2 classes"):
        retrain(load_classifier(backbone, 2, 0), TRAIN, GENERATED, VAL, SETTINGS, (1.0,), FORMAT, 0)


def test_absent_terms_are_counted():
    ones = GENERATED.subset(np.flatnonzero(GENERATED.labels == 1))
    assert kept_counts(ones, 2) == {"into class 0": 0, "into class 1": len(ones)}
    assert kept_counts(GENERATED.subset([]), 2) == {"into class 0": 0, "into class 1": 0}


# ------------------------------------------------------------------------------------------------ the wiring

ONE_STEP = replace(
    SETTINGS, epochs=1, batch_size=999, learning_rate=0.1, optimiser="sgd", schedule="constant", augmentation="none"
)


def one_step_by_hand(model, train, generated, gammas):
    """The weights after one step down the gradient of eq. 8, written out, on all images at once."""
    model = deepcopy(model).train()
    images = torch.cat([evaluation_input(some.pixels(range(len(some)), 16), FORMAT) for some in (train, generated)])
    labels = torch.from_numpy(np.concatenate([train.labels, generated.labels]))
    losses = torch.nn.functional.cross_entropy(model(images), labels, reduction="none")
    of_train, of_generated = losses[: len(train)], losses[len(train) :]
    total = of_train.mean()
    for label, gamma in enumerate(gammas):
        total = total + gamma * of_generated[generated.labels == label].mean()
    total.backward()
    return {name: (value - 0.1 * value.grad).detach() for name, value in model.named_parameters()}


def assert_weights(model, expected):
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.detach(), expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gammas", [(6.0, 10.0), (0.5, 0.0)])
def test_a_step_of_retraining_is_eq_8_on_the_training_split_and_what_was_generated_into_each_class(backbone, gammas):
    model = load_classifier(backbone, 2, 3)
    expected = one_step_by_hand(model, TRAIN, GENERATED, gammas)
    retrain(model, TRAIN, GENERATED, VAL, ONE_STEP, gammas, FORMAT, 0)
    assert_weights(model, expected)


def test_more_images_count_as_training_images(backbone):
    model, more = load_classifier(backbone, 2, 3), bright_and_dark(17, 4)
    both = replace(
        TRAIN,
        labels=np.concatenate([TRAIN.labels, more.labels]),
        ids=np.arange(57),
        attributes=np.concatenate([TRAIN.attributes, more.attributes]),
        source=ArrayPixels(np.concatenate([TRAIN.source.images, more.source.images])),
    )
    expected = one_step_by_hand(model, both, GENERATED, (6.0, 10.0))
    retrain(model, TRAIN, GENERATED, VAL, ONE_STEP, (6.0, 10.0), FORMAT, 0, more=[more])
    assert_weights(model, expected)


def test_a_new_head_is_drawn_from_the_seed(backbone):
    model, fresh = load_classifier(backbone, 2, 3), load_classifier(backbone, 2, 8)
    expected = one_step_by_hand(fresh, TRAIN, GENERATED, (6.0, 10.0))
    retrain(model, TRAIN, GENERATED, VAL, ONE_STEP, (6.0, 10.0), FORMAT, 8, reset_head=True)
    assert_weights(model, expected)


def test_the_seed_decides_the_batches(backbone):
    heads = []
    for seed in (0, 1, 1):
        model = load_classifier(backbone, 2, 9)
        retrain(model, TRAIN, GENERATED, VAL, SETTINGS, (6.0, 10.0), FORMAT, seed)
        heads.append(model.head.weight.detach())
    assert torch.equal(heads[1], heads[2]) and not torch.equal(heads[0], heads[1])


def test_the_epoch_of_the_best_worst_group_is_kept_of_the_validation_split(backbone, monkeypatch):
    seen, scores = [], iter([(0.2, 0.9), (0.6, 0.7), (0.6, 0.8), (0.1, 1.0)])

    def measured(model, images, counts, input_format):
        seen.append((model.head.weight.detach().clone(), images, counts.tolist()))
        worst, average = next(scores)
        return replace(loop_measure(model, images, counts, input_format), worst_group=worst, average=average)

    loop_measure = loop.measure
    monkeypatch.setattr(loop, "measure", measured)
    model = load_classifier(backbone, 2, 0)
    done = retrain(model, TRAIN, GENERATED, VAL, replace(SETTINGS, epochs=4), (6.0, 10.0), FORMAT, 0)
    assert done.best_epoch == 3 and torch.equal(model.head.weight, seen[2][0])
    assert not torch.equal(seen[2][0], seen[3][0])
    for _, images, counts in seen:
        assert images is VAL and counts == np.bincount(TRAIN.groups, minlength=4).tolist()


def test_an_unknown_precision_is_refused(backbone):
    with pytest.raises(InputError, match="unknown precision 'half'"):
        retrain(
            load_classifier(backbone, 2, 0), TRAIN, GENERATED, VAL, SETTINGS, (6.0, 10.0), FORMAT, 0, precision="half"
        )


def test_a_checkpoint_needs_a_stamp(backbone, tmp_path):
    how = {"checkpoint": tmp_path / "training.safetensors"}
    with pytest.raises(InputError, match="needs a stamp"):
        retrain(load_classifier(backbone, 2, 0), TRAIN, GENERATED, VAL, SETTINGS, (6.0, 10.0), FORMAT, 0, **how)


# ------------------------------------------------------------------------------------------------ the stage


def kept_images(run, which):
    """The generated images of a run that the manifest of the stage ``which`` ends with, by their target classes."""
    rows = read_manifest(run.folder(which) / MANIFEST)
    rows = rows[(rows["reason"] == "kept") if which == "pruned" else (rows["status"] == "generated")]
    train = run.split("train")
    return generated_set(run.folder("generated"), rows, train.attributes[rows["source_id"]], train.n_attributes)


def accuracies(model, images, input_format):
    right = predict_logits(model, images, input_format).argmax(1).numpy() == images.labels
    return [right[images.groups == group].mean() for group in range(4)]


@pytest.mark.parametrize(
    "how",
    [{}, {"reset_head": True}, {"without": True}, {"gammas": (9.0, 0.5), "epochs": 1}, {"originals": True}],
    ids=str,
)
def test_the_stage_is_retraining_from_the_base_classifier_on_what_was_kept(tiny, anew, how):
    settings = replace(tiny.retraining, **{name: how[name] for name in ("gammas", "epochs") if name in how})
    given = {name: value for name, value in how.items() if name in ("reset_head", "without")}
    if "gammas" in how:
        given["settings"] = settings
    copies = []

    def stage(run, **given):
        if "originals" in how:
            copies.append(run.elsewhere(generated="copies"))
            shutil.copytree(run.folder("generated"), copies[0].folder("generated"))
            given["originals"] = copies[0]
        return retrained(run, **given)

    stage.__name__ = "retrained"
    run, made = anew(stage, **given)
    train, val, test = (run.split(name) for name in ("train", "val", "test"))
    generated = train.subset([]) if how.get("without") else kept_images(run, "pruned")
    more = [kept_images(copies[0], "generated")] if copies else []
    base = load_trained(run.folder("erm") / "model.safetensors", tiny.classifier, 2)
    assert made.metrics["before"]["val"]["group_accuracy"] == accuracies(base, val, tiny.input_format)
    model = deepcopy(base)
    done = retrain(
        model,
        train,
        generated,
        val,
        settings,
        settings.gammas,
        tiny.input_format,
        0,
        how.get("reset_head", False),
        more,
    )
    saved = load_trained(run.folder("retrained") / "model.safetensors", tiny.classifier, 2)
    assert all(torch.equal(value, saved.state_dict()[name]) for name, value in model.state_dict().items())
    assert not torch.equal(saved.head.weight, base.head.weight)
    for name, images in (("val", val), ("test", test)):
        assert made.metrics[name]["group_accuracy"] == accuracies(saved, images, tiny.input_format)
        right = predict_logits(saved, images, tiny.input_format).argmax(1).numpy() == images.labels
        assert made.metrics[name]["average"] == pytest.approx(right.mean())
        shares = np.bincount(train.groups, minlength=4) / len(train)
        assert made.metrics[name]["weighted_average"] == pytest.approx(shares @ made.metrics[name]["group_accuracy"])
    assert [entry["loss"] for entry in made.metrics["history"]] == [entry["loss"] for entry in done.history]
    assert made.metrics["best_epoch"] == done.best_epoch
    assert made.metrics["seconds"] > 0 and made.metrics["images_per_second"] > 0
    into = np.bincount(generated.labels, minlength=2).tolist()
    assert made.counts == {
        "training images": 40 + sum(map(len, more)),
        "into class 0": into[0],
        "into class 1": into[1],
    }
    assert not (run.folder("retrained") / "training.safetensors").exists()


def test_the_stage_knows_its_precisions(anew):
    with pytest.raises(InputError, match="unknown precision 'half'"):
        anew(retrained, precision="half")


def test_the_stage_refuses_gammas_of_another_number_of_classes(tiny, anew):
    with pytest.raises(InputError, match="mini-waterbirds: gammas has 1 values for 2 classes"):
        anew(retrained, settings=replace(tiny.retraining, gammas=(1.0,)))


def test_the_record_says_what_the_stage_was_made_from(tiny, anew):
    made_from = anew(retrained)[1].record["made_from"]
    assert made_from["settings"].items() >= {"gammas": [2.0, 3.0], "epochs": 2, "reset_head": False}.items()
    assert set(made_from["inputs"]) == {
        "data/train",
        "data/val",
        "data/test",
        "erm/model.safetensors",
        "generated/*",
        "pruned/*",
    }
    assert made_from["models"] == {"classifier": model_identity(tiny.classifier)}


def test_generated_images_keep_their_source_s_place(tiny, finished):
    run = Run(tiny, 0, finished, "cpu")
    train = run.split("train")
    for images, which in ((read_kept(run)[1], "pruned"), (read_all(run), "generated")):
        rows = read_manifest(run.folder(which) / MANIFEST)
        rows = rows[rows["reason"] == "kept"] if which == "pruned" else rows[rows["status"] == "generated"]
        assert len(images) == len(rows) > 0 and images.ids.tolist() == rows["image"].tolist()
        places = [train.attributes[train.ids.tolist().index(i)] for i in rows["source_id"]]
        assert images.groups.tolist() == [2 * c + a for c, a in zip(rows["target_class"], places, strict=True)]


def test_what_pruning_has_not_decided_is_not_kept(tiny, runs):
    run = Run(tiny, 0, runs, "cpu")
    manifest = read_manifest(run.folder("pruned") / MANIFEST)
    manifest["kept"] = pd.array([pd.NA, True, False, pd.NA, True], "boolean")
    write_manifest(run.folder("pruned") / MANIFEST, manifest)
    rows, images = read_kept(run)
    assert rows["image"].tolist() == images.ids.tolist() == [1, 4]


def test_where_training_is_on_a_part_of_the_split_both_weighted_averages_are_measured(anew, monkeypatch):
    counts = (100, 50, 30, 20)
    monkeypatch.setattr(Benchmark, "full_train_counts", counts)
    metrics = anew(retrained)[1].metrics
    for measured in (metrics["before"]["val"], metrics["val"], metrics["test"]):
        expected = np.average(measured["group_accuracy"], weights=counts)
        assert measured["full_weighted_average"] == pytest.approx(expected)


def test_a_stage_that_was_killed_goes_on_with_the_same_bits(tiny, runs, kill):
    run = Run(tiny, 0, runs, "cpu")
    calls = kill(retraining, "ddb_loss", 4)  # three batches an epoch: this is the first of the second
    undisturbed = run.made("retrained")
    shutil.rmtree(run.folder("retrained"))
    with pytest.raises(KeyboardInterrupt):
        retrained(run)
    assert [path.name for path in run.folder("retrained").iterdir() if path.suffix] == ["training.safetensors"]
    made = retrained(run)
    assert len(calls) == 4 + 3
    assert made.record["products"] == undisturbed.record["products"]
    assert made.metrics["history"] == undisturbed.metrics["history"]
    assert not (run.folder("retrained") / "training.safetensors").exists()

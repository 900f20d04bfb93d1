"""The base classifier: it learns, it keeps the last epoch, and the seed decides every bit."""

import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.models.classifier import load_classifier, load_trained, predict_logits, save_classifier
from dbb.stages import erm
from dbb.stages.erm import train_erm
from dbb.stages.outputs import load_outputs
from dbb.stages.run import Run, model_identity
from dbb.store import save_weights
from dbb.training import loop
from dbb.transforms import evaluation_input

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = TrainingSettings(epochs=3, batch_size=16, learning_rate=1e-2, weight_decay=1e-4)
TRAIN, VAL = bright_and_dark(70, 0), bright_and_dark(40, 1)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


def trained(backbone, seed=0, validation=VAL, **how):
    model = load_classifier(backbone, 2, 0)
    train_erm(model, TRAIN, validation, SETTINGS, FORMAT, seed, **how)
    return model.state_dict()


def test_training_learns_and_tells_its_history(backbone):
    model = load_classifier(backbone, 2, 0)
    done = train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, seed=0)
    assert [entry["epoch"] for entry in done.history] == [1, 2, 3]
    assert done.history[-1]["loss"] < done.history[0]["loss"]
    assert done.history[-1]["average"] > 0.9
    assert done.best_epoch == 3
    assert done.seconds > 0
    assert done.images_per_second > 0
    assert not model.training


def test_the_validation_split_is_only_watched(backbone):
    wrong = trained(backbone, validation=replace(VAL, labels=1 - VAL.labels))
    right = trained(backbone)
    assert all(torch.equal(value, wrong[name]) for name, value in right.items())


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(backbone):
    first, again, other = (trained(backbone, seed) for seed in (4, 4, 5))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_killed_training_goes_on_from_its_checkpoint(backbone, tmp_path, monkeypatch):
    how = {"checkpoint": tmp_path / "training.safetensors", "stamp": "test"}
    calls, real = [], erm.cross_entropy_loss

    def killed(model, batch):
        calls.append(len(batch.labels))
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(model, batch)

    whole = trained(backbone)
    monkeypatch.setattr(erm, "cross_entropy_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(backbone, **how)
    on = trained(backbone, **how)
    assert len(calls) == 8 + 10
    assert all(torch.equal(value, on[name]) for name, value in whole.items())


def test_what_cannot_be_trained_is_refused(backbone):
    model = load_classifier(backbone, 2, 0)
    with pytest.raises(InputError, match="epochs = 0"):
        train_erm(model, TRAIN, VAL, replace(SETTINGS, epochs=0), FORMAT, 0)
    with pytest.raises(InputError, match="training split is empty"):
        train_erm(model, TRAIN.subset([]), VAL, SETTINGS, FORMAT, 0)
    model.head.weight.data[:] = torch.nan
    with pytest.raises(InputError, match="the loss is nan"):
        train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, 0)


def test_a_step_is_down_the_gradient_of_the_mean_cross_entropy(backbone):
    settings = replace(
        SETTINGS,
        epochs=1,
        batch_size=99,
        learning_rate=0.1,
        weight_decay=0.0,
        optimiser="sgd",
        schedule="constant",
        augmentation="none",
    )
    model = load_classifier(backbone, 2, 0)
    by_hand = deepcopy(model).train()
    logits = by_hand(evaluation_input(TRAIN.pixels(range(70), 16), FORMAT))
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(TRAIN.labels)).backward()
    train_erm(model, TRAIN, VAL, settings, FORMAT, 0)
    for (name, value), (_, old) in zip(model.named_parameters(), by_hand.named_parameters(), strict=True):
        torch.testing.assert_close(value, old - 0.1 * old.grad, rtol=1e-4, atol=1e-5, msg=name)


def test_the_last_epoch_is_kept_whatever_the_validation_says(backbone, monkeypatch):
    scores, heads, real = iter([0.9, 0.5, 0.1]), [], loop.measure

    def measured(model, images, counts, input_format):
        assert images is VAL and counts.tolist() == np.bincount(TRAIN.groups, minlength=4).tolist()
        heads.append(model.head.weight.detach().clone())
        return replace(real(model, images, counts, input_format), worst_group=next(scores))

    monkeypatch.setattr(loop, "measure", measured)
    model = load_classifier(backbone, 2, 0)
    done = train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, 0)
    assert done.best_epoch == 3 and torch.equal(model.head.weight, heads[2]) and not torch.equal(heads[1], heads[2])


def test_a_checkpoint_needs_a_stamp(backbone, tmp_path):
    with pytest.raises(InputError, match="needs a stamp"):
        trained(backbone, checkpoint=tmp_path / "training.safetensors")


def test_an_unknown_precision_is_refused(backbone, anew):
    with pytest.raises(InputError, match="unknown precision 'half'"):
        trained(backbone, precision="half")
    with pytest.raises(InputError, match="unknown precision 'half'"):
        anew(erm.erm, precision="half")


# ------------------------------------------------------------------------------------------------ the stage


@pytest.mark.parametrize("changes", [{}, {"epochs": 1, "learning_rate": 1e-2}], ids=str)
def test_the_stage_trains_on_the_training_split_and_tells_what_it_says_of_every_split(tiny, anew, changes):
    settings = replace(tiny.erm, **changes)
    run, made = anew(erm.erm, settings=settings) if changes else anew(erm.erm)
    splits = {name: run.split(name) for name in ("train", "val", "test")}
    model = load_classifier(tiny.classifier, 2, 0)
    done = train_erm(model, splits["train"], splits["val"], settings, tiny.input_format, 0)
    saved = load_trained(run.folder("erm") / "model.safetensors", tiny.classifier, 2)
    assert all(torch.equal(value, saved.state_dict()[name]) for name, value in model.state_dict().items())
    assert made.metrics["history"][-1]["loss"] == done.history[-1]["loss"]
    assert made.metrics["history"][-1]["average"] == done.history[-1]["average"]
    assert len(made.metrics["history"]) == settings.epochs
    assert made.metrics["seconds"] > 0 and made.metrics["images_per_second"] > 0
    shares = np.bincount(splits["train"].groups, minlength=4) / 40
    for name, images in splits.items():
        said = load_outputs(run.folder("erm") / f"{name}.npz")
        logits = predict_logits(model, images, tiny.input_format)
        assert np.array_equal(said.logits, logits) and np.array_equal(said.ids, images.ids)
        right = logits.argmax(1).numpy() == images.labels
        own = [right[images.groups == group].mean() for group in range(4)]
        told = made.metrics[name]
        assert told["group_accuracy"] == own and told["average"] == pytest.approx(right.mean())
        assert told["worst_group"] == min(own) and told["weighted_average"] == pytest.approx(shares @ own)
        assert made.metrics["images"][name] == np.bincount(images.groups, minlength=4).tolist()
    assert not (run.folder("erm") / "training.safetensors").exists()


def test_another_seed_starts_from_another_head(tiny, anew, runs):
    first, _ = anew(erm.erm)
    other = replace(first, seed=5)
    erm.erm(other)
    model = load_classifier(tiny.classifier, 2, 5)
    train_erm(model, other.split("train"), other.split("val"), tiny.erm, tiny.input_format, 5)
    saved = load_trained(other.folder("erm") / "model.safetensors", tiny.classifier, 2)
    assert torch.equal(model.head.weight, saved.head.weight)


def test_a_checkpoint_takes_the_place_of_training_or_starts_it(tiny, anew, tmp_path):
    ready = load_classifier(tiny.classifier, 2, 7)
    save_classifier(tmp_path / "ready.safetensors", ready)
    run, made = anew(erm.erm, checkpoint=str(tmp_path / "ready.safetensors"))
    saved = load_trained(run.folder("erm") / "model.safetensors", tiny.classifier, 2)
    assert torch.equal(saved.head.weight, ready.head.weight) and "history" not in made.metrics
    assert "ready.safetensors" in made.metrics["checkpoint"]
    with torch.no_grad():
        ready.backbone.resnet.embedder.embedder.convolution.weight.mul_(2)
    headless = {name: value for name, value in ready.state_dict().items() if name.startswith("backbone")}
    save_weights(tmp_path / "headless.safetensors", headless)
    first, made = anew(erm.erm, checkpoint=str(tmp_path / "headless.safetensors"))
    assert len(made.metrics["history"]) == tiny.erm.epochs and "headless.safetensors" in made.metrics["checkpoint"]
    ready.reset_head(0)
    train_erm(ready, first.split("train"), first.split("val"), tiny.erm, tiny.input_format, 0)
    saved = load_trained(first.folder("erm") / "model.safetensors", tiny.classifier, 2)
    assert torch.equal(saved.head.weight, ready.head.weight)


def test_the_record_says_what_the_stage_was_made_from(tiny, anew):
    made_from = anew(erm.erm)[1].record["made_from"]
    assert made_from["settings"].items() >= {"epochs": 2, "learning_rate": 4e-3, "precision": "float32"}.items()
    assert set(made_from["inputs"]) == {"data/train", "data/val", "data/test"}
    assert made_from["models"] == {"classifier": model_identity(tiny.classifier)}


def test_where_training_is_on_a_part_of_the_split_both_weighted_averages_are_measured(anew, monkeypatch):
    counts = (100, 50, 30, 20)
    monkeypatch.setattr(Benchmark, "full_train_counts", counts)
    metrics = anew(erm.erm)[1].metrics
    for split in ("train", "val", "test"):
        expected = np.average(metrics[split]["group_accuracy"], weights=counts)
        assert metrics[split]["full_weighted_average"] == pytest.approx(expected)


def test_a_stage_that_was_killed_goes_on_with_the_same_bits(tiny, runs, kill):
    run = Run(tiny, 0, runs, "cpu")
    calls = kill(erm, "cross_entropy_loss", 4)  # three batches an epoch: this is the first of the second
    undisturbed = run.made("erm")
    shutil.rmtree(run.folder("erm"))
    with pytest.raises(KeyboardInterrupt):
        erm.erm(run)
    assert [path.name for path in run.folder("erm").iterdir() if path.suffix] == ["training.safetensors"]
    made = erm.erm(run)
    assert len(calls) == 4 + 3
    assert made.record["products"] == undisturbed.record["products"]
    assert made.metrics["history"] == undisturbed.metrics["history"]
    assert not (run.folder("erm") / "training.safetensors").exists()


def test_a_stage_that_was_killed_starts_again_with_other_settings(tiny, runs, kill):
    run, other = Run(tiny, 0, runs, "cpu"), replace(tiny.erm, learning_rate=1e-2)
    expected = erm.erm(run, other).record["products"]
    shutil.rmtree(run.folder("erm"))
    calls = kill(erm, "cross_entropy_loss", 4)
    with pytest.raises(KeyboardInterrupt):
        erm.erm(run)
    assert erm.erm(run, other).record["products"] == expected and len(calls) == 4 + 6

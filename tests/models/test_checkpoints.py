"""Users' trained classifiers: every kind of file that they have loads safely, or is refused with the reason."""

import pickle
import re
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

from dbb.errors import InputError
from dbb.models.checkpoints import load_checkpoint
from dbb.models.classifier import TORCHVISION_RESNET50, load_classifier, save_classifier, untrained_classifier

SHAPE = dict(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
PICTURES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """The folder of a benchmark's backbone, whose weights are not the checkpoints'."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("backbone")
    ResNetModel(ResNetConfig(**SHAPE)).save_pretrained(folder)
    return str(folder)


def transformers_network(classes):
    torch.manual_seed(1)
    return ResNetForImageClassification(ResNetConfig(**SHAPE, num_labels=classes)).eval()


@pytest.fixture(scope="module")
def resnet50():
    from torchvision.models import resnet50

    torch.manual_seed(1)
    return resnet50(num_classes=2).eval()


def saved(path, value):
    torch.save(value, path)
    return path


def equal(first, second):
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


# ------------------------------------------------------------------------------------------------ files

WRAPPED = {
    "plain": lambda state: state,
    "nested": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {}}},
    "nested twice": lambda state: {"model": {"model_state_dict": state}},
    "beside numbers": lambda state: {**state, "epoch": 3, "accuracy": 0.9},
    "DataParallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "Lightning": lambda state: {"state_dict": {f"model.{name}": value for name, value in state.items()}},
    "a wrapper's backbone": lambda state: {
        name if name.startswith("fc") else f"backbone.{name}": value for name, value in state.items()
    },
    "several wrappers": lambda state: {f"_orig_mod.module.model.{name}": value for name, value in state.items()},
    "dropout before the head": lambda state: {name.replace("fc.", "fc.1."): value for name, value in state.items()},
    "half precision": lambda state: {
        name: value.half() if value.is_floating_point() else value for name, value in state.items()
    },
    "without counters": lambda state: {name: value for name, value in state.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_a_torchvision_resnet50_in_every_wrapping(resnet50, tmp_path, wrapped):
    path = saved(tmp_path / "model.pth", WRAPPED[wrapped](resnet50.state_dict()))
    ready = load_checkpoint(path, TORCHVISION_RESNET50, 2, seed=0)
    assert ready.trained and not ready.model.training
    with torch.inference_mode():
        expected, logits = resnet50(PICTURES), ready.model(PICTURES)
    atol = 0.05 if wrapped == "half precision" else 1e-5
    torch.testing.assert_close(logits, expected, atol=atol, rtol=1e-3)
    assert all(parameter.dtype == torch.float32 for parameter in ready.model.parameters())
    assert "a trained classifier of 2 classes: it stands as the base classifier" in str(ready)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_of_any_suffix_and_age(backbone, tmp_path, suffix, zipped):
    network = transformers_network(3)
    torch.save(network.state_dict(), tmp_path / f"model{suffix}", _use_new_zipfile_serialization=zipped)
    ready = load_checkpoint(tmp_path / f"model{suffix}", backbone, 3, seed=0)
    torch.testing.assert_close(ready.model(PICTURES), network(PICTURES).logits)


def test_our_own_file_comes_back_bit_for_bit(backbone, tmp_path):
    model = load_classifier(backbone, 3, seed=7)
    save_classifier(tmp_path / "model.safetensors", model)
    ready = load_checkpoint(tmp_path / "model.safetensors", backbone, 3, seed=0)
    assert ready.trained and equal(model, ready.model)


def test_our_own_file_of_a_resnet50(tmp_path):
    model = untrained_classifier(TORCHVISION_RESNET50, 2)
    save_classifier(tmp_path / "model.safetensors", model)
    ready = load_checkpoint(tmp_path / "model.safetensors", TORCHVISION_RESNET50, 2, seed=0)
    assert ready.trained and equal(model, ready.model)


def test_what_transformers_saves_with_and_without_a_head(backbone, tmp_path):
    network = transformers_network(3)
    network.save_pretrained(tmp_path / "whole")
    network.resnet.save_pretrained(tmp_path / "part")
    whole = load_checkpoint(tmp_path / "whole" / "model.safetensors", backbone, 3, seed=0)
    torch.testing.assert_close(whole.model(PICTURES), network(PICTURES).logits)
    part = load_checkpoint(tmp_path / "part" / "model.safetensors", backbone, 3, seed=5)
    assert whole.trained and not part.trained
    assert equal(whole.model.backbone, part.model.backbone)
    assert torch.equal(part.model.head.weight, load_classifier(backbone, 3, seed=5).head.weight)
    assert "has no head: a head of 3 was drawn from seed 5" in str(part)


def test_a_relative_path_is_the_projects(backbone, tmp_path, monkeypatch):
    monkeypatch.setattr("dbb.models.checkpoints.resolve", lambda path: tmp_path / path)
    saved(tmp_path / "model.pt", transformers_network(3).state_dict())
    assert load_checkpoint("model.pt", backbone, 3, seed=0).trained


# ------------------------------------------------------------------------------------------------ heads


def test_an_imagenet_head_is_replaced_as_for_the_imagenet_weights(tmp_path, monkeypatch):
    from torchvision.models import ResNet50_Weights, resnet50

    torch.manual_seed(2)
    imagenet = resnet50().state_dict()
    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", lambda *_, **__: imagenet)
    ready = load_checkpoint(saved(tmp_path / "imagenet.pth", imagenet), TORCHVISION_RESNET50, 2, seed=4)
    assert not ready.trained
    assert equal(load_classifier(TORCHVISION_RESNET50, 2, seed=4), ready.model)
    assert re.search(
        r"a head of 1,000 classes, which was dropped: a head of 2 .* training goes on from this backbone", str(ready)
    )


def test_a_head_of_a_thousand_is_kept_where_there_are_a_thousand_classes(backbone, tmp_path):
    path = saved(tmp_path / "model.pt", transformers_network(1000).state_dict())
    assert load_checkpoint(path, backbone, 1000, seed=0).trained
    assert not load_checkpoint(path, backbone, 3, seed=0).trained


def test_a_head_of_any_other_number_is_refused(backbone, tmp_path):
    path = saved(tmp_path / "model.pt", transformers_network(5).state_dict())
    with pytest.raises(InputError, match=r"model\.pt tells 5 classes apart and the benchmark has 3: give"):
        load_checkpoint(path, backbone, 3, seed=0)


# ------------------------------------------------------------------------------------------------ code


class Evil:
    """Unpickling it writes a file."""

    def __init__(self, written):
        self.written = written

    def __reduce__(self):
        return Path.touch, (self.written,)


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"state_dict": {"a": torch.ones(1)}, "x": evil}])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_and_does_not_run(backbone, tmp_path, wrap, zipped):
    written = tmp_path / "written"
    torch.save(wrap(Evil(written)), tmp_path / "evil.pt", _use_new_zipfile_serialization=zipped)
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert written.exists(), "the test's pickle is no danger"
    written.unlink()
    with pytest.raises(InputError, match=r"evil\.pt holds more than weights: to load it is to run \S+"):
        load_checkpoint(tmp_path / "evil.pt", backbone, 2, seed=0)
    assert not written.exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_bare_malicious_pickle_is_refused_and_does_not_run(backbone, tmp_path, protocol):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil(tmp_path / "written"), protocol))
    with pytest.raises(InputError, match=r"evil\.pt"):
        load_checkpoint(tmp_path / "evil.pt", backbone, 2, seed=0)
    assert not (tmp_path / "written").exists()


def test_a_whole_module_is_refused_and_the_remedy_works(resnet50, tmp_path, monkeypatch):
    path = saved(tmp_path / "whole.pth", resnet50)
    with pytest.raises(InputError, match=r"torchvision\.models\.resnet\.ResNet.*If you trust its maker") as refusal:
        load_checkpoint(path, TORCHVISION_RESNET50, 2, seed=0)
    monkeypatch.chdir(tmp_path)
    remedy = [line.strip() for line in str(refusal.value).splitlines() if line.startswith("    ")]
    exec("\n".join(remedy), {"torch": torch})
    assert load_checkpoint(tmp_path / "weights.pt", TORCHVISION_RESNET50, 2, seed=0).trained


def test_other_objects_beside_the_weights_are_refused_and_the_remedy_works(backbone, tmp_path, monkeypatch):
    path = saved(tmp_path / "run.pt", {"state_dict": transformers_network(3).state_dict(), "args": Namespace(lr=1)})
    with pytest.raises(InputError, match=r"to run argparse\.Namespace") as refusal:
        load_checkpoint(path, backbone, 3, seed=0)
    monkeypatch.chdir(tmp_path)
    exec("\n".join(line.strip() for line in str(refusal.value).splitlines()[1:]), {"torch": torch})
    assert load_checkpoint(tmp_path / "weights.pt", backbone, 3, seed=0).trained


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_program_is_refused(backbone, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "program.pt")
    with pytest.raises(InputError, match="to run a TorchScript program"):
        load_checkpoint(tmp_path / "program.pt", backbone, 2, seed=0)


# ------------------------------------------------------------------------------------------------ faults


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name, content",
    [
        ("model.pt", b""),
        ("model.pt", b"garbage"),
        ("model.pt", None),
        ("model.safetensors", b""),
        ("model.safetensors", b"garbage"),
        ("model.safetensors", None),
    ],
)
def test_a_damaged_file_is_named(backbone, tmp_path, name, content):
    path = tmp_path / name
    if content is None:  # cut off
        state = {key: value.contiguous() for key, value in transformers_network(3).state_dict().items()}
        (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
        content = path.read_bytes()[:-500]
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{re.escape(name)} is damaged.*copy it again"):
        load_checkpoint(path, backbone, 3, seed=0)


def test_a_missing_file_is_named(backbone, tmp_path):
    for path in (tmp_path / "nowhere.pt", tmp_path):
        with pytest.raises(InputError, match=r"there is no file .*: give a \.safetensors file, or one that torch"):
            load_checkpoint(path, backbone, 2, seed=0)


def without(state, part):
    return {name: value for name, value in state.items() if part not in name}


STATE = {name: value.clone() for name, value in transformers_network(3).state_dict().items()}


@pytest.mark.parametrize(
    "value, message",
    [
        ([1, 2], "holds a list, no state dict"),
        ({"epoch": 3, "lr": 0.1}, "holds a dict of epoch, lr, no state dict: save model.state_dict"),
        ({}, "holds a dict of nothing"),
        (without(STATE, "stages.1"), r"it lacks encoder\.stages\.1\.\S+, encoder.* and \d+ more: give a checkpoint of"),
        (STATE | {"gate.weight": torch.ones(1)}, r"it has besides gate\.weight: give"),
        (
            STATE | {"classifier.1.weight": torch.ones(3, 9)},
            r"of another shape are head\.weight \(3, 9\), not \(3, 8\)",
        ),
        (without(STATE, "classifier.1.bias"), r"it lacks head\.bias"),
        (STATE | {"classifier.1.weight": torch.ones(3)}, r"has a head of shape \(3,\)"),
        (STATE | {"fc.weight": torch.ones(3, 8)}, r"has head\.weight twice, the second time as fc\.weight"),
    ],
)
def test_what_is_missing_or_too_much_is_named(backbone, tmp_path, value, message):
    path = saved(tmp_path / "model.pt", value)
    with pytest.raises(InputError, match=rf"model\.pt .*{message}"):
        load_checkpoint(path, backbone, 3, seed=0)


def test_another_architecture_is_named(backbone, resnet50, tmp_path):
    path = saved(tmp_path / "model.pt", resnet50.state_dict())
    with pytest.raises(InputError, match=rf"model\.pt is no {re.escape(backbone)}: it lacks .*; it has besides bn1"):
        load_checkpoint(path, backbone, 2, seed=0)

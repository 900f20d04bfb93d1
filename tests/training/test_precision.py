"""One switch for the numbers of a training step."""

import numpy as np
import pytest
import torch
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import TrainingSettings
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.models.classifier import load_classifier
from dbb.stages.erm import cross_entropy_loss, train_erm
from dbb.training import precision

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = TrainingSettings(epochs=3, batch_size=16, learning_rate=1e-2, weight_decay=1e-4)
TRAIN, VAL = bright_and_dark(70, 0), bright_and_dark(40, 1)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


def trained(backbone, how):
    model = load_classifier(backbone, 2, 0)
    done = train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, 0, precision=how)
    return model.state_dict(), done.history


def test_on_a_cpu_fast_gives_the_bits_of_float32(backbone):
    (plain, history), (fast, fast_history) = (trained(backbone, how) for how in precision.PRECISIONS)
    assert all(torch.equal(value, fast[name]) for name, value in plain.items())
    np.testing.assert_equal(history, fast_history)  # which takes NaN for NaN


def test_in_bfloat16_the_weights_stay_float32_and_learn_the_same(backbone, monkeypatch):
    plain, history = trained(backbone, "float32")
    monkeypatch.setattr(precision, "default_dtype", lambda device: torch.bfloat16)
    low, low_history = trained(backbone, "fast")
    assert all(value.dtype == plain[name].dtype for name, value in low.items())
    assert not torch.equal(plain["head.weight"], low["head.weight"])
    assert low_history[-1]["average"] > 0.9
    losses = [[entry["loss"] for entry in entries] for entries in (low_history, history)]
    np.testing.assert_allclose(*losses, atol=0.05)
    again, _ = trained(backbone, "float32")
    assert all(torch.equal(value, again[name]) for name, value in plain.items())


def test_autocast_holds_for_the_forward_pass_alone(backbone, monkeypatch):
    monkeypatch.setattr(precision, "default_dtype", lambda device: torch.bfloat16)
    seen = []

    def loss(model, batch):
        seen.append((model(batch.images).dtype, batch.images.dtype))
        return cross_entropy_loss(model, batch)

    monkeypatch.setattr("dbb.stages.erm.cross_entropy_loss", loss)
    trained(backbone, "fast")
    assert set(seen) == {(torch.bfloat16, torch.float32)}
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_on_a_gpu_it_is_bfloat16_where_autocast_itself_would_take_float16(monkeypatch):
    monkeypatch.setattr(precision, "default_dtype", lambda device: torch.bfloat16)
    assert precision.forward_in("fast", torch.device("cuda")).fast_dtype == torch.bfloat16
    assert torch.get_autocast_dtype("cuda") == torch.float16


def test_tf32_is_for_the_body_on_a_gpu_and_put_back(monkeypatch):
    settings = []
    for device, how in (("cuda", "fast"), ("cuda", "float32"), ("cpu", "fast")):
        with precision.products_in(how, torch.device(device)):
            settings.append(torch.get_float32_matmul_precision())
    assert settings == ["high", "highest", "highest"]
    with pytest.raises(KeyError), precision.products_in("fast", torch.device("cuda")):
        raise KeyError
    assert torch.get_float32_matmul_precision() == "highest"


def test_another_precision_is_refused(backbone):
    with pytest.raises(InputError, match="unknown precision 'bf16': choose one of float32, fast"):
        trained(backbone, "bf16")

"""Where to compute, and in which type of number."""

import pytest
import torch

from dbb.errors import InputError
from dbb.models.devices import default_dtype, pick_device, sampling_dtype


def test_the_gpu_is_picked_where_there_is_one(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"
    with pytest.raises(InputError, match="no device 'gpu'"):
        pick_device("gpu")


@pytest.mark.parametrize(("capability", "gradients"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_the_type_follows_the_device(monkeypatch, capability, gradients) -> None:
    assert default_dtype("cpu") == sampling_dtype("cpu") == torch.float32
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert default_dtype("cuda:0") == gradients and sampling_dtype("cuda:0") == torch.float16

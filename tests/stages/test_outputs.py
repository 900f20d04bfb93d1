"""What the classifier says of the training split, and its file."""

import numpy as np
import pytest
import torch
from standins import bright_and_dark

from dbb.errors import InputError
from dbb.stages.outputs import load_outputs, outputs_of, per_sample_losses, save_outputs


def test_per_sample_losses_are_minus_log_softmax():
    logits = 3 * torch.randn(70, 2, generator=torch.Generator().manual_seed(0))
    labels = bright_and_dark(70, 0).labels
    x = logits.double().numpy()
    expected = np.log(np.exp(x).sum(1)) - x[np.arange(70), labels]
    losses = per_sample_losses(logits, labels)
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, expected, rtol=1e-12, atol=1e-15)


def test_outputs_come_back_as_they_were_saved(tmp_path):
    images = bright_and_dark(12, 0)
    outputs = outputs_of(torch.randn(12, 2), images)
    assert np.allclose(-np.log(outputs.probabilities[np.arange(12), images.labels]), outputs.losses, atol=1e-5)
    save_outputs(tmp_path / "losses.npz", outputs)
    again = load_outputs(tmp_path / "losses.npz")
    assert all(np.array_equal(value, getattr(again, name)) for name, value in vars(outputs).items())
    (tmp_path / "losses.npz").write_bytes(b"PK cut off")
    with pytest.raises(InputError, match=r"losses\.npz is corrupt"):
        load_outputs(tmp_path / "losses.npz")


def test_outputs_hold_the_split_s_ids_labels_logits_and_probabilities():
    images = bright_and_dark(12, 0).subset([5, 3, 8])
    logits = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    said = outputs_of(logits, images)
    assert said.ids.tolist() == [5, 3, 8] and said.labels.tolist() == images.labels.tolist()
    assert said.logits.dtype == np.float32 and said.probabilities.dtype == said.losses.dtype == np.float64
    x = logits.float().double().numpy()
    np.testing.assert_array_equal(said.logits, x)
    np.testing.assert_allclose(said.probabilities, np.exp(x) / np.exp(x).sum(1, keepdims=True), rtol=1e-12)


def test_outputs_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match=r"losses\.npz is missing"):
        load_outputs(tmp_path / "losses.npz")

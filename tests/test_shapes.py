"""That the shapes in signatures are held against what is given, in tests (tests/conftest.py switches it on)."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from dbb.metrics import group_accuracies
from dbb.stages.outputs import Outputs
from dbb.stages.pruning import attribution_score


def test_arrays_of_the_shapes_in_the_signature_pass() -> None:
    assert attribution_score(torch.ones(2, 3, 4, 5), torch.ones(2, 4, 5, dtype=torch.bool)).tolist() == [60, 60]


@pytest.mark.parametrize(
    "masks",
    [
        torch.ones(2, 5, 4, dtype=torch.bool),
        torch.ones(1, 4, 5, dtype=torch.bool),
        torch.ones(2, 1, 4, 5, dtype=torch.bool),
        torch.ones(2, 4, 5),
    ],
    ids=["sides exchanged", "one mask for two images", "a dimension too many", "no bool"],
)
def test_a_tensor_of_another_shape_or_type_is_refused(masks: torch.Tensor) -> None:
    with pytest.raises(TypeCheckError, match="masks"):
        attribution_score(torch.ones(2, 3, 4, 5), masks)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(TypeCheckError, match="labels"):
        group_accuracies(np.zeros(3, int), np.zeros(1, int), np.zeros(3, int), 2)


def test_the_fields_of_a_record_must_fit_each_other() -> None:
    with pytest.raises(TypeCheckError, match="losses"):
        Outputs(np.arange(3), np.zeros(3, int), np.zeros((3, 2), np.float32), np.zeros((3, 2)), np.zeros(4))

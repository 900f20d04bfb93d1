"""One training loop for the base classifier, retraining and the compared methods: they differ in their data, their
sampler and their loss. `fit` is in `loop`; what it is given and what it returns stand beside it, one idea a file.
"""

from dbb.training.examples import Batch, Examples
from dbb.training.loop import Loss, Training, fit
from dbb.training.optimisers import Settings, make_optimiser, make_schedule
from dbb.training.resume import Tensors, remove_checkpoint
from dbb.training.sampling import Sampler, shuffled_batches
from dbb.training.selection import Select, Validation, measure, worst_group_first

__all__ = [
    "Batch",
    "Examples",
    "Loss",
    "Sampler",
    "Select",
    "Settings",
    "Tensors",
    "Training",
    "Validation",
    "fit",
    "make_optimiser",
    "make_schedule",
    "measure",
    "remove_checkpoint",
    "shuffled_batches",
    "worst_group_first",
]

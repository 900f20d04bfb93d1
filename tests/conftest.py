"""Settings of the test run."""

from jaxtyping import install_import_hook

# Before anything imports them: in tests every call is held against the shapes and types of the signature.
install_import_hook(
    [
        "dbb.metrics",
        "dbb.statistics",
        "dbb.transforms",
        "dbb.training",
        "dbb.stages.erm",
        "dbb.stages.generation",
        "dbb.stages.inversion",
        "dbb.stages.mask_table",
        "dbb.stages.masks",
        "dbb.stages.outputs",
        "dbb.stages.painting",
        "dbb.stages.pruning",
        "dbb.stages.retraining",
        "dbb.stages.selection",
        "dbb.stages.tokens",
        "dbb.models.classifier",
        "dbb.models.inpainting",
        "dbb.models.oracle",
        "dbb.models.segmenters",
        "dbb.models.tokens",
        "dbb.methods",
    ],
    "shapes.arrays_checked",
)

import torch  # noqa: E402

torch.set_num_threads(1)  # the tests' models are tiny: a second thread costs more than it brings

"""Settings of the test run."""

import torch

torch.set_num_threads(1)  # the tests' models are tiny: a second thread costs more than it brings

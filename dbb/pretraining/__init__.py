"""Training of the embedded models: `python -m dbb.pretraining MODEL`."""

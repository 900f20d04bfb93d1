"""Training of the embedded models: `python -m dbb.mini.train MODEL`."""

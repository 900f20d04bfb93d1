"""dbb: diffusion-driven balancing of classifiers that learned a spurious correlation (arXiv 2503.17226)."""

__version__ = "0.1.0"

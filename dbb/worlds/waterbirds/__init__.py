"""The embedded miniature benchmark: drawn scenes and the small models trained on them."""

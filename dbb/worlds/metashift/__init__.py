"""Drawn cats and dogs on and beside furniture: MetaShift in miniature."""

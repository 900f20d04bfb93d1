"""The drawn worlds."""

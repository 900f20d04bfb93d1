"""The one error that bad input raises."""


class InputError(ValueError):
    """Bad input from the user: the message names the file or the value, and how to put it right."""

"""The one way this project reports what the user can put right."""


class InputError(ValueError):
    """Bad input: what is wrong, where (file, field, value, expected), what to do; one line."""

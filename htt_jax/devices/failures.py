"""What an error of one host is called on the others, and whose it is."""

import jax

from htt_jax.support.errors import InputError

_LONGEST = 500  # characters


def text(error: BaseException) -> str:
    """One line: what an `InputError` says; of others also their kind."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    line = (str(error).strip() or "no reason given").splitlines()[0][:_LONGEST]
    return line if isinstance(error, InputError) else f"{type(error).__name__}: {line}"


def is_of_memory(error: BaseException) -> bool:
    """Whether a device, or this host, has too little memory."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


def is_of_an_exchange(error: BaseException | None) -> bool:
    """Whether what failed is, or came of, something that all hosts do together."""
    while error is not None:
        text = str(error)
        if isinstance(error, jax.errors.JaxRuntimeError) and not is_of_memory(error):
            return True
        if isinstance(error, ValueError) and "Gloo" in text:  # a processor's, in eager mode
            return True
        error = error.__cause__ or error.__context__
    return False

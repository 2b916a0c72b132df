"""Checks every call of our functions against its annotations, shapes and dtypes included."""

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# An int is a float here, as it is for every type checker (PEP 484).
check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def install() -> None:
    """Call it before anything of ours is imported: what is imported already stays unchecked."""
    install_import_hook(["htt_jax", "data_prep"], f"{__name__}.check")

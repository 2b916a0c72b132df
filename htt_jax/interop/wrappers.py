"""The model's own names of tensors that were saved from within wrappers.

`torch.compile`, DataParallel, Lightning and others keep the model as a part of themselves, so that
its names begin with the part's, or have one more in their middle.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from htt_jax.interop.contents import is_averaged
from htt_jax.interop.names import BACKBONE
from htt_jax.support.errors import InputError

T = TypeVar("T")

# Parts that no module of the models has, wherever they stand: of data parallel and compiled
# modules, of FSDP and FairScale, of recomputed activations, of Fabric and of Opacus.
_INNER = re.compile(
    r"(?<![^.])(module|_orig_mod|_fsdp_wrapped_module|_fpw_module|_checkpoint_wrapped_module"
    r"|_forward_module|_module)\."
)
_COUNTER = re.compile(r"(?<![^.])n_averaged$")  # of torch's AveragedModel
# Tensors that tell where a model's names begin; a whole HTT has a backbone's too.
_HTT = (
    "action_token",
    "transformer_action.encoder.norm.weight",
    f"{BACKBONE}layer1.0.conv1.weight",
)
_BACKBONES = ("layer1.0.conv1.weight", "conv_stem.weight")


def unwrapped(path: str, tensors: Mapping[str, T]) -> tuple[dict[str, T], tuple[str, ...]]:
    """The tensors of the HTT or backbone by its own names, in the file's order.

    What lies beside a whole HTT in a wrapper (counters, a loss's weights) is left out.

    Args:
        path: of the file, for messages.
        tensors: by the file's names.

    Returns:
        The tensors, all by the file's names if it is another model's; and the wrappers of
        averaged copies that were left out.

    Raises:
        InputError: there are several models between which nothing decides.
    """
    counted = {name: x for name, x in tensors.items() if not _COUNTER.search(name)}
    short = {_INNER.sub("", name): x for name, x in counted.items()}
    if len(short) < len(counted):  # two models, one in the other's wrapper
        short = counted
    prefixes = _prefixes(short, _HTT)
    if not prefixes:
        prefixes = _prefixes(short, _BACKBONES)
        if not prefixes or not all(name.startswith(tuple(prefixes)) for name in short):
            return dict(tensors), ()  # the backbone is a part of another model
    prefix = _choice(path, prefixes)
    others = tuple(x for x in prefixes if x != prefix)
    found = {
        name.removeprefix(prefix): x
        for name, x in short.items()
        if name.startswith(prefix) and not name.startswith(others)
    }
    return found, others


def _prefixes(names: Mapping[str, Any], anchors: tuple[str, ...]) -> list[str]:
    """What the names of models begin with, once each."""
    found = {
        name.removesuffix(anchor): None
        for name in names
        for anchor in anchors
        if name == anchor or name.endswith(f".{anchor}")
    }
    return list(found)


def _choice(path: str, prefixes: list[str]) -> str:
    plain = [x for x in prefixes if not is_averaged(x)] or prefixes
    if len(plain) > 1:
        raise InputError(
            f"{path} holds several models, under {', '.join(map(repr, plain))}; save the right "
            "one's state_dict() alone"
        )
    return plain[0]

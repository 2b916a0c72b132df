"""Nested dictionaries by flat names: 'params/backbone/conv1/kernel'."""

from collections.abc import Mapping
from typing import Any


def flatten(tree: Mapping[str, Any], separator: str = "/") -> dict[str, Any]:
    """Each leaf by the names on the way to it, joined by `separator`."""
    flat: dict[str, Any] = {}
    for name, node in tree.items():
        if isinstance(node, Mapping):
            below = flatten(node, separator)
            flat |= {f"{name}{separator}{rest}": leaf for rest, leaf in below.items()}
        else:
            flat[name] = node
    return flat


def unflatten(flat: Mapping[str, Any], separator: str = "/") -> dict[str, Any]:
    """`flatten` turned round."""
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *parents, last = name.split(separator)
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree

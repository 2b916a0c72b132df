"""Nested dictionaries of arrays by flat names: 'params/backbone/conv1/kernel'."""

from collections.abc import Mapping
from typing import Any


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Each leaf by the names on the way to it, joined by slashes."""
    flat: dict[str, Any] = {}
    for name, node in tree.items():
        if isinstance(node, Mapping):
            flat |= flatten(node, f"{prefix}{name}/")
        else:
            flat[f"{prefix}{name}"] = node
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`flatten` turned round."""
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *parents, last = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree

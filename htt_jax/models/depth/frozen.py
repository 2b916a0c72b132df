"""Which parameters the published training leaves as they are, by their names in the tree."""

from collections.abc import Iterable

_NORMS = frozenset(("norm", "norm1", "norm2", "norm3", "skip_norm"))


def of_pose_training(name: str) -> bool:
    """Of a pose network trained alone: what its codes mean."""
    return name.split("/")[0] == "principal_components"


def of_joint_training(name: str, networks: Iterable[str] = ()) -> bool:
    """Of two or three trained together: every norm; and all of some `networks`."""
    parts = name.split("/")
    return parts[0] in networks or not _NORMS.isdisjoint(parts)

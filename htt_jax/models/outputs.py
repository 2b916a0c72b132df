"""What HTT returns: name, axes, unit and meaning of every output, told once."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Output:
    """One array that the model returns.

    Attributes:
        name: its key in what `HTT.__call__` returns.
        axes: what each stands for; the numbers along the last are named one by one.
        unit: 'pixels' of the image that was given, 'metres', or none.
        meaning: for those who read an exported file.
        decimals: those that say something in a text.
    """

    name: str
    axes: tuple[str, ...]
    unit: str | None
    meaning: str
    decimals: int = 4

    @property
    def is_of_frames(self) -> bool:
        """Whether each frame has its own, and that of padding means nothing."""
        return "frames" in self.axes

    @property
    def is_of_joints(self) -> bool:
        """Whether each joint has its own."""
        return "joints" in self.axes


OUTPUTS = (
    Output(
        "joints_2d",
        ("clips", "frames", "joints", "x y"),
        "pixels",
        "where each joint is in the frame; x right, y down",
        decimals=2,
    ),
    Output(
        "depth",
        ("clips", "frames", "joints"),
        "metres",
        "distance of each joint from the camera along its optical axis",
        decimals=5,
    ),
    Output(
        "joints_3d",
        ("clips", "frames", "joints", "x y z"),
        "metres",
        "each joint in camera space; x right, y down, z forward",
        decimals=5,
    ),
    Output(
        "object_logits",
        ("clips", "frames", "objects"),
        None,
        "of the object in hand; softmax makes probabilities of them",
    ),
    Output(
        "action_logits",
        ("clips", "actions"),
        None,
        "of the action of the clip; softmax makes probabilities of them",
    ),
)
"""In the order of exported programs."""

TABLE_HEADER = ("output", "axes", "unit", "meaning")


def table(outputs: Sequence[Output]) -> list[tuple[str, ...]]:
    """For people: the model card's and the documentation's."""
    return [
        (f"`{output.name}`", ", ".join(output.axes), output.unit or "", output.meaning)
        for output in outputs
    ]


OF_NAME = {output.name: output for output in OUTPUTS}
OF_JOINTS = tuple(output for output in OUTPUTS if output.is_of_joints)

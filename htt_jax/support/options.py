"""What an option of a run is: the tables of options are made of these."""

import dataclasses
from collections.abc import Collection
from typing import Any


@dataclasses.dataclass(frozen=True)
class Option:
    """One option of a run.

    Attributes:
        name: with its section: 'data.frames'.
        default: its value before anybody sets it; None if there is none.
        help: what it is, with its unit.
        type: of its values; needed only where the default does not tell it.
        least: the smallest number it may be; None: any. None may be infinite, or not a number.
        above: the number it must be above; None: any.
        below: the number it must be below; None: any.
        most: the largest number it may be; None: any.
        choices: what it, or each of its names, may be; empty: anything.
        path: whether it names a file or folder, in which `~` is the home folder.
        free: whether it may change from one start of a run to the next, as what it changes is not
            what is computed.
        compared: whether runs that differ in it are different experiments, not the same one made
            elsewhere, faster, or with another draw of chance.
        former: whether it is none any more; runs that were begun with it keep its value.
    """

    name: str
    default: Any
    help: str
    type: Any = None
    _: dataclasses.KW_ONLY
    least: float | None = None
    above: float | None = None
    below: float | None = None
    most: float | None = None
    choices: Collection[str] = ()
    path: bool = False
    free: bool = False
    compared: bool = True
    former: bool = False

    @property
    def kind(self) -> Any:
        """The type of its values: bool, int, float, str, tuple[int, int] or tuple[str, ...]."""
        return self.type or type(self.default)


def way(name: str, default: Any, help: str, type: Any = None, **more: Any) -> Option:
    """An option of how and where a run is made, not of what it computes."""
    return Option(name, default, help, type, free=True, compared=False, **more)

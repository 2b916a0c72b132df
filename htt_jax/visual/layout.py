"""Where everything stands in a composed picture."""

import dataclasses
from typing import TypeAlias

Box: TypeAlias = tuple[int, int, int, int]
"""left, top, right, bottom; pixels."""

_HEIGHT = 720
_LANDSCAPE = (960, 540)  # what the frame is scaled into
_PORTRAIT = (720, 720)
_COLUMN = 320  # width of the panels beside a landscape frame
_WIDE_COLUMN = 440  # and beside a portrait one, where the timeline is among them
_VIEW, _PORTRAIT_VIEW = 274, 254  # heights of the 3D view
_OBJECT, _ACTIONS = 66, 200  # heights
_STATUS = 34  # height of a line of text and meters


@dataclasses.dataclass(frozen=True)
class Layout:
    """The size (width, height) of a picture and the boxes of its parts."""

    size: tuple[int, int]
    frame: Box  # exactly as large as the scaled frame
    view: Box
    object: Box
    actions: Box
    status: Box  # one line, or two where it is narrow
    timeline: Box


def layout_for(image_size: tuple[int, int]) -> Layout:
    """The layout for frames of this (width, height)."""
    return _landscape(image_size) if image_size[0] >= image_size[1] else _portrait(image_size)


def _landscape(image_size: tuple[int, int]) -> Layout:
    width, height = _scaled(image_size, _LANDSCAPE)
    top = (_LANDSCAPE[1] - height) // 2
    right = width + _COLUMN
    bottom = _LANDSCAPE[1]
    return Layout(
        size=(right, _HEIGHT),
        frame=(0, top, width, top + height),
        view=(width, 0, right, _VIEW),
        object=(width, _VIEW, right, _VIEW + _OBJECT),
        actions=(width, _VIEW + _OBJECT, right, bottom),
        status=(0, bottom, right, bottom + _STATUS),
        timeline=(0, bottom + _STATUS, right, _HEIGHT),
    )


def _portrait(image_size: tuple[int, int]) -> Layout:
    width, height = _scaled(image_size, _PORTRAIT)
    top = (_HEIGHT - height) // 2
    right = width + _WIDE_COLUMN
    actions = _PORTRAIT_VIEW + _OBJECT
    status = actions + _ACTIONS
    return Layout(
        size=(right, _HEIGHT),
        frame=(0, top, width, top + height),
        view=(width, 0, right, _PORTRAIT_VIEW),
        object=(width, _PORTRAIT_VIEW, right, actions),
        actions=(width, actions, right, status),
        status=(width, status, right, status + 2 * _STATUS),
        timeline=(width, status + 2 * _STATUS, right, _HEIGHT),
    )


def _scaled(image_size: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    """The largest even size of that shape, nearly, within `most`."""
    factor = min(most[0] / image_size[0], most[1] / image_size[1])
    width, height = (max(2, 2 * round(side * factor / 2)) for side in image_size)
    return width, height

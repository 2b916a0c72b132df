"""HTML from nested function calls; every text is escaped unless it is HTML already."""

import base64
import html
from collections.abc import Iterable
from typing import Any, TypeAlias

Content: TypeAlias = str | Iterable[Any]  # of Content; not every checker knows recursive types
"""A text, an element, or several."""


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


_EMPTY = frozenset({"br", "img", "meta"})  # elements without an end


def element(tag: str, *children: Content, **attributes: str | int | None) -> Html:
    """An element.

    >>> element("p", "R&D ", element("b", "here"), class_="note")
    '<p class="note">R&amp;D <b>here</b></p>'

    Args:
        tag: its name.
        children: texts and elements.
        attributes: without those that are None; `aria_label` stands for 'aria-label', `class_`
            for 'class'.
    """
    start = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _EMPTY:
        return Html(f"<{tag}{start}>")
    return Html(f"<{tag}{start}>{join(children)}</{tag}>")


def join(children: Iterable[Content]) -> Html:
    """Texts and elements one after the other."""
    return Html(
        "".join(
            (child if isinstance(child, Html) else html.escape(child, quote=False))
            if isinstance(child, str)
            else join(child)
            for child in children
        )
    )


def jpeg(data: bytes, alt: str, size: tuple[int, int]) -> Html:
    """A picture, embedded; `size` is its width and height in pixels."""
    source = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    return element("img", src=source, alt=alt, width=size[0], height=size[1])

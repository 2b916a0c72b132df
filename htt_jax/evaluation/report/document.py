"""A page of its own: the head, the style, and around what is shown."""

import importlib.resources

from htt_jax.evaluation.report.markup import Content, Html, element


def document(title: str, body: Content) -> str:
    """The whole HTML document, which needs nothing beside it."""
    style = importlib.resources.files(__package__).joinpath("page.css").read_text("utf-8")
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(style)),
    ]
    content = element("html", element("head", head), element("body", body), lang="en")
    return f"<!doctype html>\n{content}\n"

"""What must hold of every page: well-formed, self-contained, nothing that makes it too wide."""

import re
from html.parser import HTMLParser

_EMPTY = {"img", "meta", "br"}


class Page(HTMLParser):
    """Reads a page and collects its faults, its elements and its text."""

    def __init__(self, document):
        super().__init__()
        self.open, self.faults, self.elements, self.texts = [], [], [], []
        self.ids, self.references = [], []
        self.feed(document)
        self.close()
        self.faults += [f"{tag} is not closed" for tag in self.open]
        self.faults += [f"id {name} twice" for name in set(self.ids) if self.ids.count(name) > 1]
        self.faults += [f"no id {name}" for name in self.references if name not in self.ids]

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts)).replace("\u202f", " ")

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        self._check(tag, attributes)
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes another element")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self._check_links(data)
        self.texts.append(data)

    def _check(self, tag, attributes):
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for value in attributes.values():
            self._check_links(value or "")
        if tag == "script" or any(name.startswith("on") for name in attributes):
            self.faults.append(f"<{tag}> runs a script")
        if attributes.get("href", "#")[0] == "#":
            self.references += [attributes["href"][1:]] if "href" in attributes else []
        elif tag != "image" or not attributes["href"].startswith("data:image/"):
            self.faults.append(f"{tag} leads to {attributes['href']}")
        if tag == "img":
            if not attributes.get("alt"):
                self.faults.append("a picture without alt")
            if not attributes["src"].startswith("data:image/jpeg;base64,"):
                self.faults.append(f"a picture from {attributes['src'][:40]}")
        if tag == "table" and "scroll" not in self._classes_around():
            self.faults.append("a table that cannot scroll")
        if tag == "th" and attributes.get("scope") not in ("col", "row"):
            self.faults.append("a header without scope")
        width = re.search(r"(?<![-\w])width:\s*([\d.]+)(\D+)", attributes.get("style") or "")
        if width and (width[2].rstrip(";") != "%" or float(width[1]) > 100):
            self.faults.append(f"{tag} is {width[0]} wide")

    def _classes_around(self):
        """Classes of the element that was opened last before this one."""
        return self.elements[-2][1].get("class", "").split()

    def _check_links(self, value):
        self.references += re.findall(r"url\(#([^)]+)\)", value)
        if re.search(r"url\((?!#)|@import|https?://", value):
            self.faults.append(f"a link to {value[:60]}")

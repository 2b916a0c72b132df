"""What is packed into an exported page, taken out again."""

import base64
import gzip
import json
import re

_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)


def scripts(page):
    """Its script elements: attributes and text."""
    return [(found["attributes"].strip(), found["text"]) for found in _SCRIPT.finditer(page)]


def facts(page):
    """What the scripts are told of the model."""
    (text,) = (text for attributes, text in scripts(page) if 'id="facts"' in attributes)
    return json.loads(text)


def packed(page):
    """The runtime and the parts of the model, by name."""
    named = ((re.search(r'data-packed="(\w+)"', x), text) for x, text in scripts(page))
    return {name[1]: gzip.decompress(base64.b64decode(text)) for name, text in named if name}

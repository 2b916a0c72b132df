"""One HTML file that runs an exported model in a browser, with all that it needs within."""

import base64
import gzip
import html
import importlib.resources
import json
import pathlib
import re
from typing import Any

from htt_jax.datasets.spec import NO_JOINTS, STORED_SIZE
from htt_jax.interop import onnx_model
from htt_jax.interop.web.runtime import Runtime
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.visual import colours

SUFFIX = ".html"

_WORKER = ("pixels.js", "pace.js", "clips.js", "predictor.js", "worker.js")
_PAGE = ("pace.js", "frames.js", "drawing.js", "page.js")


def check(run: TrainedRun) -> None:
    """Checks that a browser's frames are what a run takes.

    Raises:
        InputError: it is of a system that sees depth maps.
    """
    if run.config.data.camera != "color":
        raise InputError(
            f"{run.workdir} takes depth maps, which no browser's video or camera gives; export it "
            "with --to=onnx"
        )


def write(path: pathlib.Path, run: TrainedRun, model: bytes, runtime: Runtime) -> None:
    """Writes the page.

    Args:
        path: of the file.
        run: that the model was exported from.
        model: content of its .onnx file.
        runtime: what computes it.
    """
    parts = onnx_model.parts(path, model)
    assert parts is not None, "what sees colours is HTT"
    frames, windows, clips = parts
    packed = {**runtime._asdict(), "frames": frames, "windows": windows, "clips": clips}
    spec, dataset = run.dataset.spec, run.dataset
    width, height = dataset.image_size
    title = f"{run.signature.name}, {spec.title} layout"
    about = (
        f"{run.signature.full_name}: {len(dataset.action_names)} actions, "
        f"{len(dataset.object_names)} objects, seen at {width}x{height}; from "
        f"{pathlib.PurePath(run.workdir).name}, step {run.step}."
    )
    texts = {
        "title": html.escape(title),
        "about": html.escape(about),
        "style": _joined(("page.css",)),
        "facts": _json(facts(run)),
        "packed": "\n".join(_packed(name, content) for name, content in packed.items()),
        "worker": _joined(_WORKER),
        "script": _joined(_PAGE),
    }
    page = re.sub(r"\{(\w+)\}", lambda place: texts[place[1]], _joined(("page.html",)))
    with atomic_write(path, "w") as file:
        file.write(page)


def facts(run: TrainedRun) -> dict[str, Any]:
    """How the model sees frames, and what is drawn, for the scripts."""
    spec, dataset, clips = run.dataset.spec, run.dataset, clip_spec(run.config)
    joints = len(spec.skeleton.joints)
    shades = colours.finger_colours(spec.skeleton, len(spec.hands)).tolist()
    drawn = () if spec.joints == NO_JOINTS else range(len(spec.hands))
    return {
        "window": clips.window,
        "frames": clips.frames,
        "spacing": clips.spacing,
        "frameRate": run.config.data.frame_rate,
        "modelSize": dataset.image_size,
        "storedSize": STORED_SIZE,
        "antialiased": spec.antialiased,
        "camera": spec.camera,
        "nativeSize": spec.native_size,
        "bones": [
            [joints * hand + joint for joint in bone]
            for hand in drawn
            for bone in spec.skeleton.bones
        ],
        "colours": [colours.hex_code(tuple(shade)) for shade in shades],
        "actions": dataset.action_names,
        "objects": dataset.object_names,
    }


def _joined(names: tuple[str, ...]) -> str:
    folder = importlib.resources.files(__package__)
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in names)


def _json(content: Any) -> str:
    """For a script element, which ends at the first '</script' whatever it holds."""
    return json.dumps(content).replace("<", "\\u003c")


def _packed(name: str, content: bytes) -> str:
    text = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    return f'    <script type="text/plain" data-packed="{name}">{text}</script>'

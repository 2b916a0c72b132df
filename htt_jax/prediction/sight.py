"""How a run sees the frames of a camera: at which size, and what its system makes of them."""

import dataclasses

import numpy as np
from jaxtyping import Float

from htt_jax import camera
from htt_jax.data.decode import Look
from htt_jax.prediction.frames import MapResizer, Resize, Resizer, Size
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError

_TAKEN = {
    "color": "frames of 8 bits, in colour",
    "depth": "depth maps, of one channel of 16 bits, in millimetres",
}


@dataclasses.dataclass(frozen=True)
class Sight:
    """One video of a camera, as a system takes it.

    Attributes:
        resizer: brings frames to the size that they are looked at; None: their own.
        look: makes arrays of them, one after the other.
        intrinsics: at that size.
        pixel_factor: from pixels at that size to those of the frames.
    """

    resizer: Resize | None
    look: Look
    intrinsics: Float[np.ndarray, "3 3"]
    pixel_factor: Float[np.ndarray, "2"]


def sight(run: TrainedRun, size: Size, intrinsics: Float[np.ndarray, "3 3"]) -> Sight:
    """Of a video whose first frame is yet to come.

    Args:
        run: of the system.
        size: (width, height) of the frames.
        intrinsics: of their camera, pixels at that size.

    Raises:
        InputError: the system sees no frames but those of a prepared dataset.
    """
    reader = run.system.reader
    if reader.look is None:
        raise InputError(
            f"{run.workdir} takes other frames than RGB images or depth maps; evaluate it instead"
        )
    seen = size if reader.size else run.dataset.image_size
    resizer: Resize | None = None
    if not reader.size:
        is_depth = run.config.data.camera == "depth"
        resizer = MapResizer(seen) if is_depth else Resizer(run.dataset.spec, size, seen)
    try:
        look = reader.look(intrinsics)
    except InputError as error:
        raise InputError(f"{run.workdir} {error}") from None
    at_size = camera.scale_intrinsics(intrinsics, size, seen).astype(np.float32)
    return Sight(resizer, look, at_size, np.array(size) / seen)


def check_camera(run: TrainedRun, given: str) -> None:
    """Checks that frames are of the kind that a run takes.

    Args:
        run: of them.
        given: 'color' or 'depth': what they are.

    Raises:
        InputError: they are not.
    """
    taken = run.config.data.camera
    if given != taken:
        raise InputError(
            f"{run.workdir} takes {_TAKEN[taken]}, and these are {_TAKEN[given]}; give others, or "
            "another run"
        )

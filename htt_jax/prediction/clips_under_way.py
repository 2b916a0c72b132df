"""The clips that are under way on the device, of frames that come one by one.

Each frame is looked at when it comes, and a window is run when its last frame is there: so no frame
waits for much more than its own share of the work.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from htt_jax.data.clips import ClipSpec
from htt_jax.prediction import compiled_step
from htt_jax.runs.opening import TrainedRun


class ClipsUnderWay:
    """Frames in, outputs of windows out; the first `spacing` frames begin the clips."""

    def __init__(
        self,
        run: TrainedRun,
        frame: Mapping[str, np.ndarray],
        clips: ClipSpec,
        intrinsics: Float[np.ndarray, "3 3"],
        *,
        newest: bool,
    ):
        """Compiles.

        Args:
            run: the model.
            frame: what its reader makes of one.
            clips: how videos are cut.
            intrinsics: pixels of that frame.
            newest: whether each frame's pose is wanted before its window is full.

        Raises:
            InputError: see `compiled_step.compiled`.
        """
        self._variables = run.variables
        self._clips = clips
        self._intrinsics = jnp.array(intrinsics, jnp.float32)
        self._programs = compiled_step.compiled(run, frame, clips.window, newest=newest)
        # What a video before left in them means nothing to the next, so that it is never cleared.
        self._looked = [self._programs.looked] * clips.spacing
        self._states = [self._programs.state] * clips.spacing
        self._given: Mapping[str, jax.Array] = {}
        self.reset()
        self._warm_up(frame)

    def _warm_up(self, frame: Mapping[str, np.ndarray]) -> None:
        """Uses every program once: the first time takes several times as long as all others."""
        self.push(frame)
        self.end()
        self.outputs()
        self.newest()
        self.reset()

    def reset(self) -> None:
        """The next frame is the first of a video."""
        self._pushed = 0
        self._running: list[dict[str, jax.Array]] = []
        self._newest: dict[str, jax.Array] | None = None

    def push(self, frame: Mapping[str, np.ndarray]) -> None:
        """Sends a frame to the device; waits for no other but the last one.

        Args:
            frame: copied.
        """
        place, clip = divmod(self._pushed, self._clips.spacing)
        in_window = place % self._clips.window
        before = (self._pushed - 1) % self._clips.spacing
        # Work that piled up would all be waited for at the end of a window.
        jax.block_until_ready(self._looked[before])
        # Own memory, which the device may read from as long as it likes: of a NumPy array it would
        # read what is in it by then. Kept until the next frame, when it has been read.
        self._given = {name: jnp.array(x) for name, x in frame.items()}
        self._looked[clip] = self._programs.look(
            self._variables, self._looked[clip], np.int32(in_window), self._given
        )
        self._pushed += 1
        if self._programs.newest is not None:
            self._newest = self._programs.newest(
                self._variables,
                self._looked[clip],
                np.int32(in_window),
                np.int32(min(place + 1, self._clips.window)),
                self._intrinsics,
            )
        if in_window == self._clips.window - 1:
            self._run_window(clip, place - in_window, self._clips.window)

    def end(self) -> None:
        """Runs the windows that are not full."""
        start = self._pushed - self._pushed % self._clips.window_span
        place = start // self._clips.spacing
        for clip in range(self._clips.spacing):
            count = len(range(start + clip, self._pushed, self._clips.spacing))
            if 0 < count < self._clips.window:
                self._run_window(clip, place, count)

    def outputs(self) -> list[dict[str, np.ndarray]]:
        """Of the windows that were run since the last call, by clip; waits for them."""
        found = jax.device_get(self._running)
        self._running = []
        return found

    def newest(self) -> dict[str, np.ndarray] | None:
        """Of the last frame, as that of a window that ends with it; waits for it."""
        return jax.device_get(self._newest)

    def _run_window(self, clip: int, place: int, count: int) -> None:
        """Sends a window to the device; does not wait for it.

        Args:
            clip: of those under way.
            place: of the window's first frame, counted on from clip to clip.
            count: of real frames.
        """
        self._states[clip], outputs = self._programs.step(
            self._variables,
            self._states[clip],
            np.int32(place % self._clips.frames),
            self._looked[clip],
            np.int32(count),
            self._intrinsics,
        )
        for output in outputs.values():
            output.copy_to_host_async()
        self._running.append(outputs)

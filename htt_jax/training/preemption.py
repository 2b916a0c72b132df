"""Stopping a run between two steps when SIGTERM or Ctrl-C asks for it."""

import signal
import types

import jax
from jax.experimental import multihost_utils

from htt_jax.support.closing import Closing


class StopRequest(Closing):
    """While open, SIGTERM and SIGINT ask for a stop instead of ending the process at once.

    A second signal of the same kind does end it.
    """

    def __init__(self) -> None:
        """Nothing is asked for yet."""
        self._signal: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if jax.process_count() == 1:  # else JAX's own SIGTERM listener must stay in place
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def close(self) -> None:
        """Puts the earlier handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @property
    def exit_status(self) -> int:
        """The status that tells a shell which signal ended the process; SIGTERM's by default."""
        return 128 + (self._signal or signal.SIGTERM)

    def at(self, step: int) -> bool:
        """Whether to stop before `step`; all processes of a run get the same answer."""
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self._signal is not None

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self._signal = number
        signal.signal(number, self._previous[number])  # type: ignore[arg-type]

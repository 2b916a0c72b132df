"""A trace of a few steps: what devices and host do in them, and for how long."""

import contextlib
from collections.abc import Callable, Iterator

import jax
from etils import epath

from htt_jax.support.closing import Closing
from htt_jax.support.files import written_folder
from htt_jax.support.paths import place

FOLDER = "profile"


class Profile(Closing):
    """Traces some of a run's steps into `WORKDIR/profile`, each under its number."""

    def __init__(
        self, workdir: epath.PathLike, wait: Callable[[], None], *, first_step: int, steps: int
    ):
        """Chooses the steps; nothing is traced before them.

        Args:
            workdir: of the run.
            wait: returns when all steps under way are done.
            first_step: of those traced, counted from 1; 0 for none.
            steps: how many.
        """
        self._folder = place(workdir) / FOLDER
        self._wait = wait
        self._traced = range(first_step, first_step + steps) if first_step > 0 else range(0)
        self._running = False
        self._writing = contextlib.ExitStack()

    @contextlib.contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Step `number` is what happens within; the trace is written at the end of the last one."""
        if number not in self._traced:
            yield
            return
        if not self._running:
            self._wait()
            folder = self._writing.enter_context(written_folder(self._folder))
            jax.profiler.start_trace(str(folder))
            self._running = True
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            yield
        if number == self._traced[-1]:
            self._wait()
            self.close()

    def close(self) -> None:
        """Ends the trace, also of a run that ended before the last step to be traced."""
        if self._running:
            self._running = False
            with self._writing:
                jax.profiler.stop_trace()

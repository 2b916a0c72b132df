"""Where the time of a run goes: goodput is the share of it that is spent in steps.

It counts on the host's clock, over all starts of the run, and never waits for the devices: what is
not lost to one of the causes was spent in steps.
"""

import contextlib
import datetime
import time
from collections.abc import Iterable, Iterator, Mapping

LOST_TO = {
    "start": "starting and compiling",
    "data": "waiting for data",
    "evaluation": "evaluation",
    "checkpoints": "checkpoints",
    "restarts": "restarts",
}
"""What time is lost to; restarts: from what was kept to the next start, idle or doing it again."""

_TIME = "time"


class Goodput:
    """The seconds of a run so far, by what they were spent on."""

    def __init__(self) -> None:
        """Counts from now on."""
        self._began = time.perf_counter()
        self._lost = dict.fromkeys(LOST_TO, 0.0)
        self._earlier = dict.fromkeys(("steps", *LOST_TO), 0.0)

    def go_on(self, lines: Iterable[Mapping[str, float]]) -> None:
        """Adds earlier starts of the run, by what it logged that was kept."""
        last = next((line for line in reversed(list(lines)) if _TIME in line), None)
        if last is None:
            return
        self._earlier = {cause: last[f"seconds_{cause}"] for cause in self._earlier}
        started = time.time() - self._elapsed()
        self._earlier["restarts"] += max(0.0, started - last[_TIME])

    def begin_steps(self) -> None:
        """Ends the start, which began with this object."""
        self.lose("start", self._elapsed())

    def lose(self, cause: str, seconds: float) -> None:
        """Counts time that was spent on one of `LOST_TO`."""
        self._lost[cause] += seconds

    @contextlib.contextmanager
    def losing(self, cause: str) -> Iterator[None]:
        """Counts the time of the block so."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.lose(cause, time.perf_counter() - began)

    def scalars(self) -> dict[str, float]:
        """What is logged: the share, seconds by what they were spent on, and the time of day."""
        seconds = self._seconds()
        named = {f"seconds_{cause}": value for cause, value in seconds.items()}
        return {"goodput": _share(seconds, "steps"), **named, _TIME: time.time()}

    def __str__(self) -> str:
        """One line for people."""
        seconds = self._seconds()
        lost = ", ".join(f"{_share(seconds, c):.1%} {words}" for c, words in LOST_TO.items())
        duration = datetime.timedelta(seconds=round(sum(seconds.values())))
        return f"{_share(seconds, 'steps'):.1%} of {duration} in steps; {lost}"

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began

    def _seconds(self) -> dict[str, float]:
        here = {"steps": self._elapsed() - sum(self._lost.values()), **self._lost}
        return {cause: here[cause] + self._earlier[cause] for cause in here}


def _share(seconds: Mapping[str, float], cause: str) -> float:
    return seconds[cause] / max(sum(seconds.values()), 1e-9)

"""The threads by which the processes of a run watch each other, and how one ends by a failure.

Each process writes a sign of life to the store of JAX's coordination service every second, from a
thread that no compilation holds up, and the reason before it ends by an error. Process 0 looks at
everybody's signs, the others at its own and at the reasons, so that what is read does not grow with
the square of their number. A process that learns of a failure ends by `os._exit`: its main thread
waits for devices that will never answer, and JAX's own way out for the process that is gone.
"""

import contextlib
import json
import multiprocessing
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import jax

from htt_jax.devices import failures
from htt_jax.devices.coordination import Store, ends_by_terminate
from htt_jax.support import cli

ANOTHER_FAILED = 75
"""Exit status of a process that ends because another one failed: EX_TEMPFAIL, start it again."""

SILENCE = 30.0
"""Seconds without a sign of life after which a process counts as gone."""

_DOUBT = 8.0  # the same, once an exchange with other hosts has failed
_GRACE = 5.0  # in which a process may still end by itself: most errors are the same on all hosts
_LAST_WORDS = 15.0  # in which a process that failed must have ended, whatever it waits for
_PARTING = 120.0  # in which all come to the end of a run
_STALL = 900.0  # waiting for one batch
_SIGNS, _ENDS, _GONE = "htt/signs/", "htt/ends/", "htt/gone/"
READING = "waiting for data"
_UNREACHABLE = "it was killed, or cannot be reached"


def leave(status: int) -> NoReturn:
    """Ends the process at once, with its loader's worker processes, closing nothing."""
    for child in multiprocessing.active_children():
        child.kill()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


class _Sign:
    """The last sign of life of a process, and when it came."""

    def __init__(self) -> None:
        self.text, self.came = "", time.monotonic()
        self.doing, self.began = "", self.came

    def read(self, text: str) -> None:
        now = time.monotonic()
        if text != self.text:
            self.text, self.came = text, now
        if self.content.get("doing") != self.doing:
            self.doing, self.began = self.content.get("doing", ""), now

    @property
    def content(self) -> dict[str, Any]:
        return json.loads(self.text) if self.text else {}

    def age(self) -> float:
        return time.monotonic() - self.came


class Watch:
    """The threads of a process that give its signs of life and look for those of others.

    Attributes:
        doing: what the main thread does, and at which step.
    """

    def __init__(self, store: Store):
        """Begins."""
        self.doing = "starting", 0
        self._store = store
        self._me, self._count = store.process, store.count
        self._host = socket.gethostname()
        self._signs = {process: _Sign() for process in range(self._count)}
        self._ends: dict[int, tuple[float, str]] = {}  # when it was seen, the line
        self._in_doubt = self._cut_off = False
        self._failed: tuple[float, BaseException] | None = None
        self._ending = threading.Lock()
        self._parted = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True, name=work.__name__)
            for work in (self._give_signs, self._look)
        ]
        for thread in self._threads:
            thread.start()

    def failed(self, error: BaseException) -> None:
        """Tells the others of the error that this process ends by, unless it is theirs."""
        if isinstance(error, SystemExit) or self._failed:
            return
        if failures.is_of_an_exchange(error):  # somebody else's, as a rule: who it is is soon known
            self._in_doubt = True
            time.sleep(_DOUBT + 2 * _GRACE)
        self._failed = time.monotonic(), error
        self._bounded(
            self._store.put,
            f"{_ENDS}{self._me}",
            self._line(self._me, f"ended: {failures.text(error)}"),
        )

    def end(self, error: BaseException) -> NoReturn:
        """Reports the error, lets the others read of it, and ends."""
        self._ending.acquire()
        self._report_and_leave(error)

    def part(self) -> None:
        """Waits for the others at the end of a run, and leaves JAX's service with them."""
        try:
            self._store.meet("htt/end", _PARTING)
        except jax.errors.JaxRuntimeError as error:
            self.failed(error)
            self.end(error)
        self._ending.acquire()
        self._parted.set()
        for thread in self._threads:
            thread.join(2.0)
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # all is done
            jax.distributed.shutdown()
        ends_by_terminate(None)

    def lost(self) -> None:
        """See `htt_jax.devices.hosts.lost`."""
        if not self._parted.is_set():
            if self._bounded(self._store.put, "htt/probe", ""):
                return  # it is something else
            self._end_for(0, self._gone(0, _UNREACHABLE))
        while True:  # another thread already ends this process
            time.sleep(1.0)

    def _give_signs(self) -> None:
        number = 0
        while not self._parted.wait(1.0):
            number += 1
            what, step = self.doing
            sign = {"number": number, "host": self._host, "doing": f"{what}, step {step}"}
            sign |= {"doubt": self._in_doubt}
            try:
                self._store.put(f"{_SIGNS}{self._me}", json.dumps(sign))
                # Everybody's at process 0; else its own, whose folder it is.
                found = self._store.under(_SIGNS) if self._me == 0 else self._signs_of_first()
                for process, text in found.items():
                    self._signs[int(process)].read(text)
                for process, line in self._store.under(_ENDS).items():
                    self._ends.setdefault(int(process), (time.monotonic(), line))
                self._cut_off = False
            except Exception:  # jaxlib's, of several kinds; it may pass
                self._cut_off = True

    def _signs_of_first(self) -> dict[str, str]:
        return {"0": self._store.wait_for(f"{_SIGNS}0")}

    def _look(self) -> None:
        before = time.monotonic()
        while not self._parted.wait(0.5):
            if time.monotonic() - before > _DOUBT / 2:  # it was this process that was stopped
                for sign in self._signs.values():
                    sign.came = time.monotonic()
            before = time.monotonic()
            self._look_once()

    def _look_once(self) -> None:
        if self._failed:
            when, error = self._failed
            if time.monotonic() - when > _LAST_WORDS and self._ending.acquire(blocking=False):
                self._report_and_leave(error)
            return
        for process, (seen, line) in sorted(self._ends.items()):
            # Process 0 may have written it of this one.
            if self._in_doubt or time.monotonic() - seen > _GRACE:
                self._end_for(process, line)
        in_doubt = self._in_doubt or any(s.content.get("doubt") for s in self._signs.values())
        limit = _DOUBT if in_doubt or self._cut_off else SILENCE
        others = set(range(1, self._count)) if self._me == 0 else {0}
        # Where this machine is too busy to write its own sign, it reads those of others late, too.
        late = self._signs[0].age() if self._me == 0 else 0.0
        for process in sorted(others - self._ends.keys(), key=lambda i: self._signs[i].came):
            sign = self._signs[process]
            if sign.age() - late > limit:
                why = f"it gives no sign of life for {sign.age():.0f} s: killed, stopped or cut off"
                self._end_for(process, self._gone(process, why))
            stalled = time.monotonic() - sign.began
            if sign.doing.startswith(READING) and stalled > _STALL:
                why = f"it waits for its data for {stalled:.0f} s"
                self._end_for(process, self._gone(process, why))

    def _gone(self, process: int, why: str) -> str:
        last = self._signs[process].content.get("doing")
        return self._line(process, why + (f"; last seen {last}" if last else ""))

    def _line(self, process: int, why: str) -> str:
        host = self._host if process == self._me else self._signs[process].content.get("host")
        who = f"process {process} of {self._count}"
        return f"host {host} ({who}): {why}" if host else f"{who}: {why}"

    def _end_for(self, process: int, line: str) -> None:
        """Ends this process because of another one; does nothing where it already ends."""
        if self._failed or not self._ending.acquire(blocking=False):
            return
        if self._me == 0 and process not in self._ends:
            self._bounded(self._store.put, f"{_ENDS}{process}", line)
        print(f"error: {line}; the same command on all hosts continues", file=sys.stderr)
        self._say_goodbye(besides=process)
        leave(ANOTHER_FAILED)

    def _report_and_leave(self, error: BaseException) -> NoReturn:
        status = cli.report(error)
        if status is None:
            status = 1
            if isinstance(error, OSError) or failures.is_of_memory(error):
                print(f"error: {failures.text(error)}", file=sys.stderr)
            else:
                traceback.print_exception(error)
        self._say_goodbye(besides=None)
        leave(status)

    def _say_goodbye(self, besides: int | None) -> None:
        """Process 0 goes last, for all read in its store what happened."""
        if self._me != 0:
            self._bounded(self._store.put, f"{_GONE}{self._me}", "")
            return
        until = time.monotonic() + _LAST_WORDS
        while time.monotonic() < until:
            gone = {int(name) for name in self._store.under(_GONE) if name.isdigit()}
            here = set(range(1, self._count)) - gone - {besides} - self._ends.keys()
            if not any(self._signs[process].age() < _DOUBT for process in here):
                return
            time.sleep(0.2)

    def _bounded(self, work: Callable[..., object], *arguments: object) -> bool:
        """Does it in a thread, as it may wait for ever where process 0 is gone; whether it did."""
        done = threading.Event()

        def attempt() -> None:
            with contextlib.suppress(Exception):
                work(*arguments)
                done.set()

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(2.0)
        return done.is_set()

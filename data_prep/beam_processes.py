"""The processes of Beam's runner for this machine.

Beam's own go on when the command is killed, and one that is killed itself is waited for forever.
These end with the command, and their death ends the pipeline.
"""

import contextlib
import fcntl
import os
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import grpc
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.portability.local_job_service import SubprocessSdkWorker
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from data_prep.parallel import DIED

_ANSWER_SECONDS = 0.1
# Beam logs from its import on; what matters comes back as an error.
_WORK = "import logging; logging.disable(); import data_prep.beam as b; b.beam_processes.work()"


@contextlib.contextmanager
def processes() -> Iterator[tuple[FnApiRunner, Callable[[], None]]]:
    """The runner, and what ends its processes at once; both for the block's time."""
    with tempfile.NamedTemporaryFile() as held, _quiet_threads():
        fcntl.flock(held, fcntl.LOCK_EX)  # until the block ends, or this process

        def stop() -> None:
            fcntl.flock(held, fcntl.LOCK_UN)

        program = shlex.join([sys.executable, "-c", _WORK, held.name])
        command = f"trap '' INT; exec {program}"  # Ctrl-C is for the command, which ends these
        _Handler.end_all = staticmethod(stop)
        # DirectRunner would look for another runner first, which it downloads.
        yield FnApiRunner(SubprocessSDKEnvironment.from_command_string(command)), stop


@contextlib.contextmanager
def _quiet_threads() -> Iterator[None]:
    """Beam's threads that hear no more of a process that has died need not say so."""
    before = threading.excepthook

    def say(about: threading.ExceptHookArgs) -> None:
        if not issubclass(about.exc_type, grpc.RpcError):
            before(about)

    threading.excepthook = say
    try:
        yield
    finally:
        threading.excepthook = before


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class _Handler(SubprocessSdkWorkerHandler):
    """Starts a process, and answers in its place when it has died."""

    end_all: Callable[[], None]
    _is_stopped = False

    def start_worker(self) -> None:
        self.worker = SubprocessSdkWorker(
            self._worker_command_line, self.control_address, self.provision_info, self.worker_id
        )
        self.worker_thread = threading.Thread(target=self._run, daemon=True)
        self.worker_thread.start()

    def stop_worker(self) -> None:
        self._is_stopped = True
        super().stop_worker()

    def _run(self) -> None:
        try:
            self.worker.run()
        except RuntimeError:  # its exit status is not 0
            self.end_all()  # else Beam would first wait for what the others have to do
        asked = self.control_conn._futures_by_id
        while not self._is_stopped:  # Beam may still ask it for more
            for number in list(asked):
                answer = beam_fn_api_pb2.InstructionResponse(instruction_id=number, error=DIED)
                asked.pop(number).set(answer)
            time.sleep(_ANSWER_SECONDS)


def work() -> None:
    """A worker process; its only argument is the file that `processes` holds."""
    threading.Thread(target=_end_with, args=(sys.argv[1],), daemon=True).start()
    cv2.setNumThreads(1)  # one process a core is parallel enough
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        sdk_worker_main.main([])  # prints what it also raises


def _end_with(held: str) -> None:
    with contextlib.suppress(OSError), open(held) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    os._exit(1)

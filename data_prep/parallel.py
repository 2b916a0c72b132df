"""Runs tasks over processes, with progress in frames and the first error surfacing as itself."""

import contextlib
import ctypes
import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

import cv2

from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.shared_memory import check_room

Task = TypeVar("Task")
Result = TypeVar("Result")

ALONE = "with 1, no other process is started"
DIED = (
    "a worker process died, perhaps for lack of memory; run the same command again, it continues "
    "(with fewer --workers if it happens again)"
)

_POLL_SECONDS = 0.5


class Stopped(Exception):
    """Another task has failed, so this one ends early."""


class _Shared:
    """What the processes of one run have in common; set in each of them."""

    frames: "Synchronized[int] | None" = None  # done so far, by all
    stop: "Synchronized[int] | None" = None  # not 0: end early


def advance(frames: int) -> None:
    """Counts frames as done; tasks call it often.

    Raises:
        Stopped: another task has failed.
    """
    if _Shared.frames is None or _Shared.stop is None:
        return
    if _Shared.stop.value:
        raise Stopped
    with _Shared.frames.get_lock():
        _Shared.frames.value += frames


def run(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int,
    total_frames: int,
    done_frames: int = 0,
) -> list[Result]:
    """Results of `function` for each of `tasks`, in their order.

    Args:
        function: importable by name; calls `advance` as it goes.
        tasks: can be pickled.
        workers: processes; with one, everything runs in this process.
        total_frames: of all tasks and of those done in an earlier run.
        done_frames: done in an earlier run.

    Raises:
        InputError: the first error of a task; the others are stopped. Or there is no room for what
            processes share.
    """
    workers = min(workers, len(tasks))
    if workers > 1:
        check_room(workers, ALONE)
    context = mp.get_context("spawn")
    shared = (context.Value(ctypes.c_int64, 0), context.Value(ctypes.c_int64, 0))
    with _progress(shared[0], total_frames, done_frames):
        if workers > 1:
            return _run_in_processes(function, tasks, workers, shared)
        _Shared.frames, _Shared.stop = shared
        try:
            return [function(task) for task in tasks]
        finally:
            _Shared.frames = _Shared.stop = None


def _run_in_processes(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    shared: "tuple[Synchronized[int], Synchronized[int]]",
) -> list[Result]:
    with futures.ProcessPoolExecutor(
        workers, mp.get_context("spawn"), initializer=_start_worker, initargs=shared
    ) as executor:
        with _interrupts_ignored():  # workers inherit that; the parent reacts and stops them
            running = [executor.submit(function, task) for task in tasks]
        try:
            for future in futures.as_completed(running):
                future.result()
        except futures.process.BrokenProcessPool as error:
            raise InputError(DIED) from error
        except BaseException:
            with _interrupts_ignored():  # an impatient second Ctrl-C would leave workers behind
                shared[1].value = 1
                executor.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in running]


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignores Ctrl-C within the block; only the main thread can, and only it gets it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _start_worker(frames: "Synchronized[int]", stop: "Synchronized[int]") -> None:
    _Shared.frames, _Shared.stop = frames, stop
    cv2.setNumThreads(1)  # one process a core is parallel enough
    end_with_parent()


def end_with_parent() -> None:
    """Ends this worker when its parent is killed; the executor would leave it waiting forever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _progress(frames: "Synchronized[int]", total: int, done: int) -> Iterator[None]:
    """Shows the shared count while the block runs."""
    finished = threading.Event()

    def show() -> None:
        with progress.bar(total=total, initial=done, unit="frame", label="preparing") as bar:
            ended = False
            while not ended:
                ended = finished.wait(_POLL_SECONDS)
                bar.update(done + frames.value - bar.n)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()

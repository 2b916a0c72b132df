"""Renders a simulated dataset in the raw layout of FPHA or H2O.

    python -m data_prep.simulate --layout fpha --out raw

Hands, objects, desks and motions are invented; the folders and text formats are those of the real
datasets, so everything else treats them alike.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import pathlib
from collections.abc import Iterator, Sequence

import cv2

from data_prep.folders import is_left_by_system
from data_prep.parallel import ALONE, end_with_parent
from data_prep.raw import SIMULATION_MARK
from data_prep.simulation import depth, layouts, object_files, preview, render, take
from data_prep.simulation.actions import ACTIONS, DEFAULT_ACTIONS, Action
from data_prep.simulation.writing import write_whole
from htt_jax.devices import host_memory
from htt_jax.support import cli, progress
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, explained_writes
from htt_jax.support.machine import usable_cores
from htt_jax.support.shared_memory import check_room

_FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_DEPTH_PNG = [*_FAST_PNG, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]  # smaller, too
_ENCODING = {
    "fpha": (".jpeg", [cv2.IMWRITE_JPEG_QUALITY, 90]),
    "h2o": (".png", _FAST_PNG),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the options, renders, and draws the contact sheet if asked to."""
    options = _parser().parse_args(argv)
    plan = _plan(options)
    root = pathlib.Path(options.out)
    all_jobs = layouts.jobs(plan)
    with explained_writes(root, continues=True):
        _claim(root, plan)
        _render(root, plan, all_jobs, options.workers)
        layouts.write_index(root, plan, all_jobs)
        object_files.write_models(root, plan)
    frames = sum(job.script.frames for job in all_jobs)
    print(f"{len(all_jobs)} videos, {frames} frames of {plan.size[0]}x{plan.size[1]} in {root}")
    if options.preview:
        with explained_writes(options.preview, continues=True):
            preview.draw(root, plan, all_jobs, pathlib.Path(options.preview))


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m data_prep.simulate",
        description="Renders a simulated dataset in the raw layout of FPHA or H2O: articulated "
        "hands that use objects above a cluttered desk, with exact labels.",
        epilog="example:\n  python -m data_prep.simulate --layout fpha --out raw "
        "--repeats 4 --preview sheet.png\n\n"
        "Stopped at any moment, the same command goes on where it stopped.",
    )
    add = parser.add_argument
    add("--layout", required=True, choices=sorted(ACTIONS), help="whose folders to imitate")
    add("--out", required=True, type=cli.location, help="folder to write")
    add("--actions", default="default",
        help="'default' (eight), 'all', or names separated by commas")  # fmt: skip
    add("--subjects", type=int, help="people (default: FPHA 6, H2O 4; H2O's splits need all 4)")
    add("--repeats", type=int, default=4,
        help="how often each person does each action; FPHA: the last quarter is the test split, "
        "so at least 2")  # fmt: skip
    add("--frames", default="32,64", help="fewest and most frames of an action")
    add("--size", help="WIDTHxHEIGHT: 480x270 or the original 1920x1080 (FPHA), 1280x720 (H2O); "
        "default: 480x270")  # fmt: skip
    add("--depth", action="store_true", help="also write depth maps, as a depth camera gives them")
    add("--hidden", type=float, default=take.HIDDEN, metavar="SHARE",
        help="of the actions, in which the hands are out of sight for a while")  # fmt: skip
    add("--seed", type=int, default=0, help="the same seed gives the same bytes")
    add("--workers", type=int, default=usable_cores(), help="processes")
    add("--preview", metavar="FILE", type=cli.location,
        help="also draw a contact sheet with the labels (png)")  # fmt: skip
    return parser


def _plan(options: argparse.Namespace) -> layouts.Plan:
    """The options, checked.

    Raises:
        InputError: one of them is out of range.
    """
    layout = options.layout
    most = layouts.SUBJECTS[layout]
    subjects = most if options.subjects is None else options.subjects
    fewest = most if layout == "h2o" else 1
    if not fewest <= subjects <= most:
        raise InputError(f"--subjects {subjects}: {layout} takes {fewest} to {most}")
    fewest = 2 if layout == "fpha" else 1
    if options.repeats < fewest:
        raise InputError(
            f"--repeats {options.repeats}: {layout} needs at least {fewest}, so that every split "
            "has each action"
        )
    if not 0 <= options.hidden <= 1:
        raise InputError(f"--hidden {options.hidden:g}: give a share from 0 to 1")
    if options.seed < 0:
        raise InputError(f"--seed {options.seed}: give a whole number that is not negative")
    if options.workers < 1:
        raise InputError(f"--workers {options.workers}: give at least 1")
    if options.preview and pathlib.Path(options.preview).suffix.lower() != ".png":
        raise InputError(f"--preview {options.preview}: give a file name that ends in .png")
    return layouts.Plan(
        layout, _chosen_actions(layout, options.actions), subjects, options.repeats,
        _frame_range(options.frames), _size(layout, options.size), options.seed,
        options.depth, options.hidden,
    )  # fmt: skip


def _chosen_actions(layout: str, text: str) -> tuple[Action, ...]:
    """The actions named, in the dataset's own order."""
    known = {action.name: action for action in ACTIONS[layout]}
    words = {"default": DEFAULT_ACTIONS[layout], "all": tuple(known)}
    names = words.get(text) or tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in known:
            raise InputError(f"--actions: unknown {layout} action {name!r}; known are "
                             + ", ".join(known))  # fmt: skip
    return tuple(action for name, action in known.items() if name in names)


def _frame_range(text: str) -> tuple[int, int]:
    try:
        fewest, most = (int(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"--frames {text}: give two whole numbers such as 32,64") from None
    if not 1 <= fewest <= most:
        raise InputError(f"--frames {text}: expected 1 <= fewest <= most")
    return fewest, most


def _size(layout: str, text: str | None) -> tuple[int, int]:
    sizes = {f"{w}x{h}": (w, h) for w, h in (layouts.SMALL_SIZE, layouts.ORIGINAL_SIZE[layout])}
    if text is None:
        return layouts.SMALL_SIZE
    if text not in sizes:
        raise InputError(f"--size {text}: {layout} takes {' or '.join(sizes)}")
    return sizes[text]


def _claim(root: pathlib.Path, plan: layouts.Plan) -> None:
    """Makes `root` this plan's folder, marked so that no two datasets mix.

    Raises:
        InputError: it holds something else.
    """
    recipe = json.dumps(plan.recipe(), indent=1) + "\n"
    mark = root / SIMULATION_MARK
    if root.is_file():
        raise InputError(f"--out {root}: is a file; give a folder")
    if mark.exists():
        if mark.read_text() != recipe:
            raise InputError(f"--out {root}: holds a dataset simulated with other options "
                             f"(see {mark}); give another folder or delete it")  # fmt: skip
    elif root.exists() and not all(is_left_by_system(path.name) for path in root.iterdir()):
        raise InputError(f"--out {root}: is not empty; give a new folder")
    root.mkdir(parents=True, exist_ok=True)
    with atomic_write(mark, "w") as file:
        file.write(recipe)


def _render(
    root: pathlib.Path, plan: layouts.Plan, all_jobs: Sequence[layouts.Job], workers: int
) -> None:
    """Renders the videos that are not there yet, with a progress bar."""
    missing = [job for job in all_jobs if not all(path.exists() for path in _made(root, plan, job))]
    total = sum(job.script.frames for job in missing)
    with progress.bar(total=total, unit="frame", label="rendering") as bar:
        for frames in _run(root, plan, missing, min(workers, max(len(missing), 1))):
            bar.update(frames)


def _run(
    root: pathlib.Path, plan: layouts.Plan, missing: Sequence[layouts.Job], workers: int
) -> Iterator[int]:
    """Renders, and yields the number of frames of each video as it is ready."""
    if workers == 1:
        for job in missing:
            yield render_video(root, plan, job)
        return
    check_room(workers, ALONE)
    with concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start_worker
    ) as pool:
        futures = [pool.submit(render_video, root, plan, job) for job in missing]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # one process a core is parallel enough
    end_with_parent()


def render_video(root: pathlib.Path, plan: layouts.Plan, job: layouts.Job) -> int:
    """Writes one video's labels, then its images and depth maps; returns how many frames."""
    scene = take.direct(job.script)
    layouts.write_labels(root, plan, job, scene.joints())
    if plan.layout == "h2o":
        poses = layouts.camera_pose_files(scene.camera_poses())
        write_whole(layouts.camera_poses_path(root, job), poses)
    object_files.write(root, plan, job, scene)
    if plan.depth:
        maps = depth.frames(scene, layouts.depth_view(plan), job.script.seed)
        files = (cv2.imencode(".png", one, _DEPTH_PNG)[1].tobytes() for one in maps)
        names = (layouts.depth_name(plan.layout, frame) for frame in range(job.script.frames))
        write_whole(layouts.depth_path(root, plan, job), zip(names, files, strict=True))
    suffix, quality = _ENCODING[plan.layout]
    images = render.frames(scene, plan.size, layouts.intrinsics(plan.layout, plan.size))
    bgr = (cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in images)
    files = (cv2.imencode(suffix, image, quality)[1].tobytes() for image in bgr)
    names = (layouts.image_name(plan.layout, frame) for frame in range(job.script.frames))
    write_whole(layouts.image_path(root, plan, job), zip(names, files, strict=True))
    return job.script.frames


def _made(root: pathlib.Path, plan: layouts.Plan, job: layouts.Job) -> list[pathlib.Path]:
    """What `render_video` makes besides labels; each appears when it is whole."""
    objects = object_files.path(root, plan.layout, job)
    made = [layouts.image_path(root, plan, job), *([objects] if objects else [])]
    if plan.depth:
        made.append(layouts.depth_path(root, plan, job))
    if plan.layout == "h2o":
        made.append(layouts.camera_poses_path(root, job))
    return made


if __name__ == "__main__":
    cli.run(main, host_memory.keep_freed)

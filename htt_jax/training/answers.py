"""What a teacher says of all videos that its student is trained on: asked once, kept as records.

It is asked as it is evaluated: it meets each raw frame once, undisturbed, in clips of its own
length and frames of its own size. What it says is kept frame by frame, poses in camera space: so it
fits clips that begin anywhere and frames of any size, and moves with them as labels do.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from jaxtyping import Int
from ml_collections import ConfigDict

from htt_jax.data import loader, taught
from htt_jax.data.clips import clip_table, in_frame_order
from htt_jax.data.decode import FrameReader
from htt_jax.data.records import RecordSource, ShardWriter
from htt_jax.data.taught import AnswerRecords, Answers, Sizes
from htt_jax.devices import hosts, sharding
from htt_jax.evaluation import results
from htt_jax.models.htt import HTT
from htt_jax.runs.config import clip_spec, load_options
from htt_jax.runs.directory import claimed
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, explained_full_disk
from htt_jax.support.paths import place
from htt_jax.systems import Batch
from htt_jax.systems.htt import distillation
from htt_jax.training.teacher import Teacher

FOLDER = "teacher"
"""In the folder of a run, where answers are kept unless another place is named."""
_DESCRIPTION = "answers.json"
_KEY_CHARACTERS = 16
_VERSION = 1
"""To be raised when a teacher is asked otherwise, or what is kept means something else."""

_Clip: TypeAlias = tuple[Int[np.ndarray, " _"], Mapping[str, Any]]
"""The raw frames of a clip, and what is said of it and them."""


def reader_of_answers(
    config: ConfigDict,
    workdir: epath.PathLike,
    reader: FrameReader,
    teacher: Teacher,
    source: RecordSource,
) -> FrameReader:
    """A reader that tells a teacher's answers with each frame.

    What nobody has asked the teacher yet it is asked now. Answers are kept in a folder that is
    named after the teacher's fingerprint and that of the videos: those of others are never read.

    Args:
        config: of the student.
        workdir: of the student.
        reader: of the student's frames.
        teacher: to be asked.
        source: all videos that the student is trained on.

    Raises:
        InputError: an answer is not finite, a record is damaged, another process asks, answers
            cannot be written, or hosts have others.
    """
    description = _description(teacher, source, tokens=bool(config.distill.tokens))
    key = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    folder = place(config.distill.cache or place(workdir) / FOLDER) / key[:_KEY_CHARACTERS]
    sizes = Sizes(**description["sizes"])
    shards = taught.shards(folder, source.frame_counts)
    is_main = jax.process_index() == 0
    found = is_main and _whole(shards, source)
    whole = int(multihost_utils.broadcast_one_to_all(np.int32(found)))
    if whole < len(shards):
        with _claimed(config.distill.cache, folder):
            if is_main:
                with atomic_write(folder / _DESCRIPTION, "w") as file:
                    json.dump({**description, "workdir": teacher.run.workdir}, file, indent=1)
            _write(teacher, source, shards[whole:], sizes, config.data.workers)
        multihost_utils.sync_global_devices("a teacher's answers are written")
    return taught.with_answers(reader, _opened([path for path, _ in shards], sizes))


@contextlib.contextmanager
def _claimed(cache: str, folder: epath.Path) -> Iterator[None]:
    """The folder for this start alone; what is wrong with it is told by the option that names it.

    Raises:
        InputError: it cannot be written to, has no room, or another start has it.
    """
    option = f"config.distill.cache={cache}: " if cache else ""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(claimed(folder))
        except InputError as error:
            raise InputError(f"{option}{error}") from None
        stack.enter_context(explained_full_disk(f"{option}{folder}"))
        yield


def _opened(paths: Sequence[epath.Path], sizes: Sizes) -> AnswerRecords:
    """The answers, which are the same on all hosts.

    Raises:
        InputError: they are not, or not whole.
    """
    refusal, seen = None, f"not whole in {paths[0].parent}"
    try:
        records = AnswerRecords(paths, sizes)
        seen = records.fingerprint
    except InputError as error:
        refusal = error
    hosts.agree({"what the teacher said, kept in config.distill.cache,": seen})
    if refusal:
        raise refusal
    return records


def _description(teacher: Teacher, source: RecordSource, *, tokens: bool) -> dict[str, Any]:
    """All that decides what is kept."""
    model = teacher.run.model
    assert isinstance(model, HTT)
    facts = teacher.run.dataset
    return {
        "version": _VERSION,
        "teacher": teacher.fingerprint,
        "videos": source.fingerprint,
        "frames": _fingerprint_of_view(source),
        "sizes": {
            "joints": facts.spec.num_joints,
            "objects": len(facts.object_names),
            "actions": len(facts.action_names),
            "tokens": model.width if tokens else 0,
        },
    }


def _fingerprint_of_view(source: RecordSource) -> str:
    """Of which videos and how many frames of each there are: perhaps not all of the dataset."""
    content = [source.video_ids, source.frame_counts.tolist()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _whole(shards: list[tuple[epath.Path, range]], source: RecordSource) -> int:
    """How many of the shards, from the first, are there and undamaged; others are written again."""
    checked = (taught.is_whole(path, source, videos) for path, videos in shards)
    return next((number for number, is_whole in enumerate(checked) if not is_whole), len(shards))


def _write(
    teacher: Teacher,
    source: RecordSource,
    shards: list[tuple[epath.Path, range]],
    sizes: Sizes,
    workers: int,
) -> None:
    """Asks about the videos of shards, the last of a split's, and writes them one after the other.

    All processes ask, process 0 writes.
    """
    schema = taught.features(sizes)
    answers = _answers(teacher, source, shards[0][1].start, sizes, workers)
    for path, videos in shards:
        found = [next(answers) for _ in videos]
        if jax.process_index() > 0:
            continue
        with ShardWriter(path) as shard:
            for video, of_video in zip(videos, found, strict=True):
                data = taught.encode(of_video, schema)
                frames = int(source.frame_counts[video])
                shard.write(data, frames, source.video_ids[video])


def _answers(
    teacher: Teacher, source: RecordSource, first: int, sizes: Sizes, workers: int
) -> Iterator[Answers]:
    """About each video from `first` on, in order."""
    run = teacher.run
    clips = clip_spec(run.config)
    size = -(-run.config.eval.batch_size // jax.device_count()) * jax.device_count()
    table = clip_table(source.frame_counts, clips, training=False)
    mesh = sharding.make_mesh(fsdp=1)
    batches = loader.eval_batches(
        source,
        **load_options(run.config) | {"image_size": run.dataset.image_size, "workers": workers},
        reader=run.system.reader,
        batch_size=size,
        first_batch=int(np.searchsorted(table[:, 0], first)) // size,
    )
    step = _step(teacher, sharding.replicated(mesh), tokens=bool(sizes.tokens))
    pending: dict[int, list[_Clip]] = {video: [] for video in range(first, len(source))}
    frames_left = int(source.frame_counts[first:].sum())
    with progress.bar(total=frames_left, unit="frame", label="asking the teacher") as bar:
        for found, _ in results.outputs(step, run.variables, sharding.to_devices(mesh, batches)):
            # Several processes bring the clips of a batch in another order than the table's.
            for clip in np.flatnonzero(found["video"] >= first):
                of_clip = {name: x[clip] for name, x in found.items()}
                frames = of_clip["start"] + clips.spacing * np.arange(of_clip["valid"].sum())
                pending[int(of_clip["video"])].append((frames, of_clip))
            for video in list(pending):
                count = int(source.frame_counts[video])
                if sum(len(frames) for frames, _ in pending[video]) < count:
                    break
                yield _of_video(teacher, pending.pop(video))
                bar.update(count)


def _step(
    teacher: Teacher, placed: jax.sharding.Sharding, *, tokens: bool
) -> Callable[[Any, Batch], dict[str, jax.Array]]:
    """A jitted function of variables and a batch: answers, whole on every host."""
    system, model = teacher.run.system, teacher.run.model
    assert isinstance(model, HTT)

    def step(variables: Any, batch: Batch) -> dict[str, jax.Array]:
        found = distillation.answers(model, variables, system.inputs(batch))
        if not tokens:
            del found["tokens"]
        return found | {name: batch[name] for name in ("video", "start", "valid")}

    return jax.jit(step, out_shardings=placed)


def _of_video(teacher: Teacher, clips: Sequence[_Clip]) -> Answers:
    """All clips of a video, in the order of its raw frames."""
    frames = [of_clip for of_clip, _ in clips]
    names = [name for name in ("joints_3d", "objects", "actions", "tokens") if name in clips[0][1]]
    arrays = {}
    for name in names:
        of_clips = [found[name] for _, found in clips]
        if name == "actions":  # one answer a clip
            of_clips = [np.tile(x, (len(f), 1)) for x, f in zip(of_clips, frames, strict=True)]
        arrays[name] = in_frame_order(frames, of_clips)
    if not all(np.isfinite(x).all() for x in arrays.values()):
        raise InputError(
            f"{teacher.option}: its checkpoint of step {teacher.run.step} gives values that are "
            "not finite; name another run"
        )
    return Answers(**arrays)

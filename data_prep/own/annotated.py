"""What is known of the joints of all recordings together."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_prep.own import joints
from data_prep.own.description import FILE, Description
from data_prep.own.fitting.lengths import KEY, HandLengths
from data_prep.own.joints import Joints
from data_prep.own.segments import Recording
from data_prep.raw import FITTED, Note
from htt_jax.datasets.spec import COMPLETE, IN_IMAGES, NO_JOINTS, PARTIAL
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted


class Annotated(NamedTuple):
    """What is known of joints.

    Attributes:
        joints: as `DatasetSpec.joints` has it.
        in_space: recordings with joints in space, by name.
        fitted: those whose joints are put there by a fit.
        notes: what is to be known of it.
    """

    joints: str
    in_space: frozenset[str]
    fitted: frozenset[str]
    notes: tuple[Note, ...]


def look(
    said: Description,
    recordings: Mapping[str, Recording],
    trained: Sequence[str],
    skip_bad: bool,
) -> Annotated:
    """Reads the joints of all recordings.

    Args:
        said: the dataset's description.
        recordings: by name.
        trained: names of those in split train.
        skip_bad: go on without those whose joints cannot be read.

    Raises:
        InputError: joints cannot be read, or what others have train has not.
    """
    found: dict[str, Joints] = {}
    for name, recording in recordings.items():
        if recording.joints is None:
            continue
        try:
            found[name] = joints.read(recording.joints, said, recording.frames)
        except InputError:
            if not skip_bad:
                raise
    if not found:
        without = any(recording.joints for recording in recordings.values())
        what = "can be read" if without else f"is there ({', '.join(joints.NAMES)})"
        note = Note("no joints", FILE, f"no file of joints {what}: the action is trained alone")
        return Annotated(NO_JOINTS, frozenset(), frozenset(), (note,))
    of_train = {name: found[name] for name in trained if name in found}
    _check_hands(said, of_train)
    in_space = frozenset(name for name, one in found.items() if not one.in_images)
    fitted = _fitted(said, found, skip_bad)
    notes = [_fit_note(said.fit, len(fitted))] if said.fit else []
    deep = in_space | fitted
    if deep and not deep & of_train.keys():
        what = (
            f"joints of {counted(len(deep), 'recording')} are in space, and none of train is: "
            "depth cannot be learned, and is measured all the same"
        )
        notes.append(Note("not trained", FILE, what))
    if not deep:
        what = "joints are known in images alone: their depth is not learned"
        return Annotated(IN_IMAGES, in_space, fitted, (Note("in images", FILE, what),))
    is_whole = len(in_space) == len(found) and not any(x.has_part_of_a_hand for x in found.values())
    return Annotated(COMPLETE if is_whole else PARTIAL, in_space, fitted, tuple(notes))


def _fitted(said: Description, found: Mapping[str, Joints], skip_bad: bool) -> frozenset[str]:
    """Recordings whose joints are to be fitted into space.

    Raises:
        InputError: that is asked for, and there is none, nor can one have been skipped.
    """
    if not said.fit:
        return frozenset()
    in_images = frozenset(name for name, one in found.items() if one.in_images)
    if not in_images and not skip_bad:
        raise InputError(
            f"{FILE}: {KEY} is for joints that are labelled in images alone, and those of all "
            f"{counted(len(found), 'recording')} are in space: nothing is to be fitted; leave it "
            "away"
        )
    return in_images


def _fit_note(hand: HandLengths, recordings: int) -> Note:
    if not recordings:
        what = f"no recording that can be read is labelled in images alone: {KEY} fits nothing"
        return Note("not fitted", FILE, what)
    what = (
        f"joints of {counted(recordings, 'recording')} are labelled in images: what a fit of "
        f"{hand.said} ({100 * hand.whole:.1f} cm) puts into space is fitted, not measured"
    )
    return Note(FITTED, FILE, what)


def _check_hands(said: Description, of_train: Mapping[str, Joints]) -> None:
    """Checks that each hand can be learned.

    Raises:
        InputError: one is nowhere, or no recording of train has joints.
    """
    if not of_train:
        raise InputError(
            "no recording of split train has joints, and others have: poses cannot be learned; "
            f"give some in train ({', '.join(joints.NAMES)}), or take the others away to train "
            "the action alone"
        )
    for i, hand in enumerate(said.hands):
        if not any(one.seen[i] for one in of_train.values()):
            raise InputError(
                f"no recording of split train has joints of the {hand} hand; leave it out "
                "of `hands` in dataset.toml"
            )

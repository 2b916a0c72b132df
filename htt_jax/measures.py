"""What is measured: every measure of poses, actions and objects, told once.

It stands below `htt_jax.metrics`, which computes by it, and `htt_jax.runs`, which chooses
checkpoints by it; tables, reports, comparison and model card show what stands here. Another
measure is another entry of `MEASURES`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

Space: TypeAlias = Literal["camera_space", "root_aligned"]
_SUFFIXES: dict[Space, str] = {"camera_space": "", "root_aligned": "_ra"}
SPACES = tuple(_SUFFIXES)
"""In which poses are measured. Root-aligned: the wrist of the frame is subtracted."""

IMAGE = "image"
"""Where measures of joints in the image stand in results on datasets that know some there alone."""

BOX = "object_box"
"""Where measures of the object's box stand in the results of models that tell it."""


class PoseErrors(NamedTuple):
    """What measures of poses are computed from: one hand in one space."""

    errors: Float[np.ndarray, "frames joints"]  # millimetres; NaN where a joint is not known
    thresholds: Float[np.ndarray, " steps"]  # millimetres, evenly from 0
    pck: Float[np.ndarray, " steps"]  # share of joints within each threshold, mean over joints


class VideoActions(NamedTuple):
    """What measures of actions are computed from: the videos whose action is known."""

    action: Int[np.ndarray, " videos"]  # the true class
    predicted: Int[np.ndarray, " videos"]  # of the summed probabilities
    majority_vote: Int[np.ndarray, " videos"]  # of the clips
    probabilities: Float[np.ndarray, "videos actions"]  # mean over the clips


class ObjectFrames(NamedTuple):
    """What measures of objects are computed from: the frames whose object is known."""

    confusion: Int[np.ndarray, "objects objects"]  # frames; rows the true class


class BoxErrors(NamedTuple):
    """What measures of the object's box are computed from: the frames where it is known."""

    errors: Float[np.ndarray, "frames points"]  # millimetres; of the centre, then the corners


@dataclasses.dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        key: its name in headlines, logs, sheets and `config.checkpoint.best_metric`.
        title: what stands over its column.
        unit: of the figure as it is shown, behind the title.
        decimals: as it is shown.
        smaller_is_better: which way is better.
        meaning: in a few words, for those who do not know the title.
        place: where it stands in results: ('action', 'object', `IMAGE` or `BOX`, name), or for
            poses (space, name) of each hand.
        compute: from `VideoActions`, `ObjectFrames`, `BoxErrors`, or for poses `PoseErrors`; there
            is one video, frame or joint at least.
        factor: from the stored figure to the one that is shown.
        in_headline: a run is judged by it: it is logged, saved with checkpoints and compared,
            where it was measured.
        of_curve: it depends on the range of the PCK curve, which stands with its title.
    """

    key: str
    title: str
    unit: str
    decimals: int
    smaller_is_better: bool
    meaning: str
    place: tuple[str, str]
    compute: Callable[[Any], float]
    factor: float = 1
    in_headline: bool = True
    of_curve: bool = False

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} {self.unit}".strip()

    @property
    def is_of_poses(self) -> bool:
        """Whether it is measured for each hand."""
        return self.place[0] in _SUFFIXES

    def of(self, found: Mapping[str, Any]) -> float | None:
        """The figure in results, or in those of one hand; None where it was not measured."""
        group, name = self.place
        value: float | None = found.get(group, {}).get(name)
        return value

    def shown(self, value: float) -> str:
        """A figure as text, without its unit."""
        return f"{self.factor * value:.{self.decimals}f}"


def in_both_spaces(
    name: str,
    title: str,
    unit: str,
    decimals: int,
    compute: Callable[[PoseErrors], float],
    *,
    meaning: str,
    **options: Any,
) -> tuple[Measure, Measure]:
    """A measure of poses in camera space and root-aligned."""
    return tuple(  # type: ignore[return-value]
        Measure(
            key=name + suffix,
            title=title + suffix.upper().replace("_", "-"),
            unit=unit,
            decimals=decimals,
            meaning=meaning + (", relative to the wrist" if suffix else ""),
            place=(space, name),
            compute=compute,
            **options,
        )
        for space, suffix in _SUFFIXES.items()
    )


def _share_on_diagonal(found: ObjectFrames) -> float:
    return int(np.trace(found.confusion)) / int(found.confusion.sum())


MEASURES: tuple[Measure, ...] = (
    Measure(
        "action_accuracy", "action", "%", 2, smaller_is_better=False,
        meaning="videos whose action is recognised", place=("action", "accuracy"), factor=100,
        compute=lambda found: float(np.mean(found.predicted == found.action)),
    ),
    Measure(
        "majority_vote_accuracy", "by majority", "%", 2, smaller_is_better=False,
        meaning="videos whose action is recognised, if each clip has one vote",
        place=("action", "majority_vote_accuracy"), factor=100, in_headline=False,
        compute=lambda found: float(np.mean(found.majority_vote == found.action)),
    ),
    Measure(
        "object_accuracy", "object", "%", 2, smaller_is_better=False,
        meaning="frames whose object is recognised", place=("object", "accuracy"), factor=100,
        compute=_share_on_diagonal,
    ),
    Measure(
        "object_box_error", "box", "mm", 2, smaller_is_better=True,
        meaning="mean error of the centre and the corners of the object's box",
        place=(BOX, "error"), in_headline=False,
        compute=lambda found: float(found.errors.mean()),
    ),
    Measure(
        "object_centre_error", "box's centre", "mm", 2, smaller_is_better=True,
        meaning="mean error of the centre of the object's box",
        place=(BOX, "centre_error"), in_headline=False,
        compute=lambda found: float(found.errors[:, 0].mean()),
    ),
    Measure(
        "mepe_2d", "MEPE-2D", "px", 2, smaller_is_better=True,
        meaning="mean end-point error in the image the model sees, mean over hands",
        place=(IMAGE, "mepe"), compute=lambda found: float(found.errors.mean()),
    ),
    *in_both_spaces(
        "mepe", "MEPE", "mm", 2, lambda found: float(np.nanmean(found.errors)),
        smaller_is_better=True, meaning="mean end-point error",
    ),
    *in_both_spaces(
        "median", "median", "mm", 2, lambda found: float(np.nanmedian(found.errors, axis=0).mean()),
        smaller_is_better=True, meaning="median error of each joint, mean over joints",
        in_headline=False,
    ),
    *in_both_spaces(
        "auc", "AUC", "", 3,
        lambda found: float(np.trapezoid(found.pck, found.thresholds) / found.thresholds[-1]),
        smaller_is_better=False, meaning="area under the PCK curve", of_curve=True,
    ),
)  # fmt: skip
"""In the order in which they are shown; of poses, each in both spaces."""


def headline() -> dict[str, Measure]:
    """The few by which a run is judged, by key: recognition, then poses space by space."""
    chosen = [measure for measure in MEASURES if measure.in_headline]
    recognition = [measure for measure in chosen if not measure.is_of_poses]
    poses = [one for space in SPACES for one in chosen if one.place[0] == space]
    return {measure.key: measure for measure in (*recognition, *poses)}


def in_group(group: str) -> list[Measure]:
    """Those of 'action', 'object' or `BOX`, or of poses in one space."""
    return [measure for measure in MEASURES if measure.place[0] == group]


def in_space(name: str, space: Space) -> Measure:
    """The measure of poses called `name` in results, in one space."""
    return next(measure for measure in in_group(space) if measure.place == (space, name))

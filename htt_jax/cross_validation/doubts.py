"""Which labels are doubted by models that have not seen them: confident learning.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal
of Artificial Intelligence Research 70 (2021), Sec. 3.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.evaluation.analysis import Row


@dataclasses.dataclass(frozen=True)
class Doubt:
    """What a model that was not trained on a video says of its label.

    Attributes:
        fold: in which it was kept from training.
        entry: of the video, in `per_video` of that fold's results.
        believed: the class that it is taken for: of a suspected label another one.
        believed_name: what that is called.
        is_suspect: whether the label is estimated to be wrong, see `suspected`.
        is_learned: another fold has videos of the label, so that there is something to go by.
    """

    fold: int
    entry: Row
    believed: int
    believed_name: str
    is_suspect: bool
    is_learned: bool

    @property
    def of_label(self) -> float:
        """Probability of the label."""
        return float(self.entry["probabilities"][self.entry["action"]])

    @property
    def of_believed(self) -> float:
        """Probability of the class that is believed."""
        return float(self.entry["probabilities"][self.believed])


def doubts(of_folds: Sequence[Sequence[Row]], names: Sequence[str]) -> list[Doubt]:
    """All videos of a cross-validation, the most doubtful label first.

    First those that are suspected, then the others; within both, the least probable label first.
    Labels that no other fold has come last: nobody could have learned them.

    Args:
        of_folds: `per_video` of the action's results, fold by fold.
        names: of the classes.
    """
    entries = [(fold, entry) for fold, found in enumerate(of_folds) for entry in found]
    labels = np.array([entry["action"] for _, entry in entries], np.int64)
    folds = np.array([fold for fold, _ in entries], np.int64)
    learned = np.array(
        [bool((folds[labels == a] != f).any()) for f, a in zip(folds, labels, strict=True)]
    )
    probabilities = np.array([entry["probabilities"] for _, entry in entries], np.float64)
    suspects, believed = suspected(labels, probabilities, learned)
    found = [
        Doubt(fold, entry, taken, names[taken], bool(suspects[i]), bool(learned[i]))
        for i, ((fold, entry), taken) in enumerate(zip(entries, believed.tolist(), strict=True))
    ]
    return sorted(found, key=lambda one: (not one.is_learned, not one.is_suspect, one.of_label))


def suspected(
    labels: Int[np.ndarray, " videos"],
    probabilities: Float[np.ndarray, "videos actions"],
    counted: Bool[np.ndarray, " videos"],
) -> tuple[Bool[np.ndarray, " videos"], Int[np.ndarray, " videos"]]:
    """Labels that are estimated to be wrong, and what is believed of each video.

    A video is confidently of a class whose probability is at least what it is on the mean in the
    videos that are labelled so (Eq. 2), and of the likeliest of several such classes (Eq. 1). Its
    label is suspected where that is another class (off the diagonal of the confident joint).

    Args:
        labels: classes from 0.
        probabilities: out of sample.
        counted: videos of which something could be learned; others are not suspected.
    """
    classes = np.arange(probabilities.shape[1])
    ours = (labels[:, None] == classes) & counted[:, None]
    count = ours.sum(axis=0)
    mean = (probabilities * ours).sum(axis=0) / np.maximum(count, 1)
    threshold = np.where(count > 0, mean, np.inf)  # what nobody learned nothing is taken for
    confident = np.where(probabilities >= threshold, probabilities, -1.0)
    likeliest = confident.argmax(axis=1)
    is_any = confident.max(axis=1) >= 0
    suspects = counted & is_any & (likeliest != labels)
    believed = np.where(suspects, likeliest, probabilities.argmax(axis=1))
    return suspects, believed

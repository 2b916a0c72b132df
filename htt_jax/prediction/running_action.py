"""The action of a video while it is being taken: what it is so far, and since when."""

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass
class Answer:
    """The most probable action, as it changes.

    Attributes:
        action: class; None before anything is known.
        since: the last frame that was seen when it became what it has been since.
    """

    action: int | None = None
    since: int | None = None

    def note(self, probabilities: Float[np.ndarray, " actions"], last: int) -> None:
        """Takes what is known after frame `last`."""
        action = int(probabilities.argmax())
        if action != self.action:
            self.action, self.since = action, last


class RunningAction:
    """Adds up what the clips of a video say of its action.

    Attributes:
        answer: of the video so far.
        present_answer: of the clips under way alone.
    """

    def __init__(self, actions: int):
        """Of so many classes, before the first frame."""
        self._present = np.zeros((0, actions), np.float32)  # of the clips under way
        self._past = np.zeros(actions)  # sum over `_past_clips`
        self._past_clips = 0
        self.answer = Answer()
        self.present_answer = Answer()

    @property
    def is_known(self) -> bool:
        """Whether anything has been noted."""
        return len(self._present) > 0

    @property
    def probabilities(self) -> Float[np.ndarray, " actions"]:
        """The mean over all clips that have begun, each as it stands."""
        total = self._past + self._present.sum(axis=0, dtype=np.float64)
        return total / (self._past_clips + len(self._present))

    @property
    def present(self) -> Float[np.ndarray, " actions"]:
        """The mean over the clips under way alone."""
        return self._present.mean(axis=0, dtype=np.float64)

    def note(
        self, of_clips: Float[np.ndarray, "clips actions"], *, begins: bool, last: int
    ) -> None:
        """Takes what the first clips under way say.

        Args:
            of_clips: as they stand; the others stand as before.
            begins: they are new ones.
            last: frame that has been seen.
        """
        if begins:
            self._past += self._present.sum(axis=0, dtype=np.float64)
            self._past_clips += len(self._present)
            self._present = np.empty_like(of_clips)
        self._present[: len(of_clips)] = of_clips
        self.answer.note(self.probabilities, last)
        self.present_answer.note(self.present, last)

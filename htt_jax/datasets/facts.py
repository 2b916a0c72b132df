"""What a trained model must know of the dataset it was trained on."""

import dataclasses

from htt_jax.datasets.spec import DatasetSpec

NO_OBJECT = "none"
"""The only class of objects of a dataset whose labels tell none."""


@dataclasses.dataclass(frozen=True)
class DatasetFacts:
    """What a checkpoint must know of the dataset it was trained on.

    Attributes:
        spec: what the dataset is.
        action_names: by class.
        object_names: by class.
        image_size: (width, height) of the frames the model sees.
        fingerprint: of the training split's content; None where it is not known.
    """

    spec: DatasetSpec
    action_names: tuple[str, ...]
    object_names: tuple[str, ...]
    image_size: tuple[int, int]
    fingerprint: str | None

    @property
    def name(self) -> str:
        """Of the dataset."""
        return self.spec.name

    @property
    def has_objects(self) -> bool:
        """Whether its labels tell what is in the hand."""
        return self.object_names != (NO_OBJECT,)

    @property
    def joint_names(self) -> list[str]:
        """Of all joints, with their hand: 'right_index_2'."""
        return [
            f"{hand}_{joint}" for hand in self.spec.hands for joint in self.spec.skeleton.joints
        ]

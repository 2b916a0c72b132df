"""Which stages are run, each after those it starts from, and what was published of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from htt_jax.systems.depth.stages import STAGES


@dataclasses.dataclass(frozen=True)
class Step:
    """One stage of a study.

    Attributes:
        name: of its folder.
        title: in the table.
        stage: of `STAGES`, whose options it has.
        starts_from: the step that each part, by its option `init.NAME`, comes from.
        options: that it has in their place.
        published: on FPHA, mean error in millimetres and accuracy in per cent, as far as known;
            best epoch on the test set.
        is_control: it is there to see what another step's gain comes from.
    """

    name: str
    title: str
    stage: str
    starts_from: Mapping[str, str] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    published: tuple[float | None, float | None] = (None, None)
    is_control: bool = False

    @property
    def is_joint(self) -> bool:
        """Whether it has a pose and an action network."""
        return bool(self.starts_from)


_CHAIN = {"pose": "pose", "action": "action"}
_FEEDBACK = {"pose_film": "pose_film", "action": "action"}
_ENSEMBLE = {**_CHAIN, **_FEEDBACK}
_WITH_ATTENTION = {**_ENSEMBLE, "attention": "action_attention"}
_NEVER_TOLD = {"told.equal_probability": 1.0}

PLAN: tuple[Step, ...] = (
    Step("pose", "pose network alone", "pose", published=(14.49, None)),
    Step("pose_film", "conditioned pose network alone, told nothing", "pose_film"),
    Step("action", "action network on true poses", "action", published=(None, 72.3)),
    Step("action_attention", "the same with attention", "action_attention"),
    Step("untrained", "untrained chain", "untrained", _CHAIN, published=(14.49, 59.0)),
    Step("direct", "method 1, direct fine-tuning", "direct", _CHAIN, published=(10.87, 68.0)),
    Step("feedback", "method 2, action feedback", "feedback", _FEEDBACK, published=(10.95, 68.2)),
    Step("ensemble", "method 3, two pose networks", "ensemble", _ENSEMBLE, published=(10.72, 71.0)),
    Step(
        "ensemble_attention",
        "method 3 with attention",
        "ensemble_attention",
        _WITH_ATTENTION,
        published=(10.69, 71.3),
    ),
    Step(
        "pose_only",
        "method 1, its action network not trained",
        "direct",
        _CHAIN,
        {"training.frozen": "action", "loss.action": 0.0},
        is_control=True,
    ),
    Step(
        "action_only",
        "method 1, its pose network not trained",
        "direct",
        _CHAIN,
        {"training.frozen": "pose", "loss.pose": 0.0},
        published=(14.5, 62.8),
        is_control=True,
    ),
    Step(
        "feedback_untold",
        "method 2, always told equal probabilities",
        "feedback",
        _FEEDBACK,
        _NEVER_TOLD,
        published=(10.92, 68.8),
        is_control=True,
    ),
    Step(
        "feedback_told",
        "method 2, told equal ones half of the time",
        "feedback",
        _FEEDBACK,
        {"told.equal_probability": 0.5},
        is_control=True,
    ),
    Step(
        "ensemble_untold",
        "method 3, always told equal probabilities",
        "ensemble",
        _ENSEMBLE,
        _NEVER_TOLD,
        published=(10.66, 70.1),
        is_control=True,
    ),
    Step(
        "pose_second",
        "a second plain pose network alone",
        "pose",
        options={"seed": 1000},
        is_control=True,
    ),
    Step(
        "ensemble_plain",
        "method 3, its second pose network plain too",
        "ensemble",
        {**_CHAIN, "pose_film": "pose_second"},
        {"ensemble.conditioned": False},
        is_control=True,
    ),
    Step(
        "direct_statistics",
        "method 1, batch-norm statistics of the batch",
        "direct",
        _CHAIN,
        {"training.batch_statistics": True},
        published=(23.5, None),
        is_control=True,
    ),
    Step(
        "direct_dropout",
        "method 1 with dropout",
        "direct",
        _CHAIN,
        {"training.dropout": 0.3},
        published=(14.5, None),
        is_control=True,
    ),
)
"""In an order in which every step comes after those it starts from."""


def options_of(step: Step, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a step, by their names, where they are not the defaults of the systems.

    Args:
        step: of the plan.
        chosen: by whoever runs the study: NAME for all steps, 'STAGE:NAME' for those of a stage.
    """
    mine = {name: value for name, value in chosen.items() if ":" not in name}
    of_stage = {
        name.partition(":")[2]: value
        for name, value in chosen.items()
        if name.startswith(f"{step.stage}:")
    }
    return {**STAGES[step.stage], **mine, **of_stage, **step.options}

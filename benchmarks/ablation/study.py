"""What a study is: models side by side.

A row's option TEACHER names the row that teaches it, as `Run` names it without the seed: the run of
each seed is taught by that of the same seed.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from benchmarks.ablation import forecasts
from htt_jax.datasets.published import Published

TEACHER = "distill.teacher"

Figures: TypeAlias = Mapping[str, float]
"""By the key of the measure; accuracies in 0..1, errors in millimetres."""


def _nothing(of_paper: Published) -> Figures:
    return {}


@dataclasses.dataclass(frozen=True)
class Row:
    """A model.

    Attributes:
        name: in files and in `results.json`: letters, digits and underscores.
        title: in the table.
        options: that it has instead of the scale's; none: the model of the scale.
        published: what the paper has of it.
        ahead: whose poses ahead it shows, `forecasts.OWN_FORECAST` or of `forecasts.BASELINES`.
    """

    name: str
    title: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    published: Callable[[Published], Figures] = _nothing
    ahead: str = forecasts.OWN_FORECAST


@dataclasses.dataclass(frozen=True)
class Study:
    """Models side by side.

    Attributes:
        title: over the table.
        measures: shown, by key: `htt_jax.measures` in the headline, `early.MEAN`, or of
            `forecasts.MEASURES`.
        rows: the first is what the others are compared with.
        asked_for: it is made only where it is named, as it needs what not everybody has.
    """

    title: str
    measures: Sequence[str]
    rows: Sequence[Row]
    asked_for: bool = False

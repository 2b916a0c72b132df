"""The verb and the noun of an action, read off its name."""

import dataclasses
from collections.abc import Sequence

from htt_jax.datasets.spec import DatasetSpec

_WHOLE_PHRASES = ("high_five",)  # actions whose words are one verb


@dataclasses.dataclass(frozen=True)
class VerbsAndNouns:
    """What the actions of a dataset are made of.

    Attributes:
        verbs: all of them, by first appearance.
        nouns: likewise.
        verb_of_action: the number of each action's verb.
        noun_of_action: of its noun.
    """

    verbs: tuple[str, ...]
    nouns: tuple[str, ...]
    verb_of_action: tuple[int, ...]
    noun_of_action: tuple[int, ...]

    @property
    def factorise(self) -> bool:
        """Whether they say more than the actions: several of both, and some of them shared."""
        actions, verbs, nouns = map(len, (self.verb_of_action, self.verbs, self.nouns))
        return min(verbs, nouns) > 1 and min(verbs, nouns) < actions


def of_actions(actions: Sequence[str], spec: DatasetSpec) -> VerbsAndNouns:
    """The verbs and nouns of action classes, in the order of their ids."""
    of_action = [verb_and_noun(action, spec) for action in actions]
    verbs, nouns = (tuple(dict.fromkeys(parts)) for parts in zip(*of_action, strict=True))
    return VerbsAndNouns(
        verbs,
        nouns,
        tuple(verbs.index(verb) for verb, _ in of_action),
        tuple(nouns.index(noun) for _, noun in of_action),
    )


def verb_and_noun(action: str, spec: DatasetSpec) -> tuple[str, str]:
    """The two parts of an action's name.

    The noun is the action's object where the dataset says so, else the words after the first,
    'none' without any.

    >>> verb_and_noun("take out espresso", H2O)
    ('take out', 'espresso')
    >>> verb_and_noun("put_sugar", FPHA)
    ('put', 'spoon')
    """
    between = "_" if "_" in action else " "
    first, _, rest = action.partition(between)
    noun = spec.object_of_action.get(action, rest or "none")
    if action in _WHOLE_PHRASES:
        return action, noun
    if action.endswith(between + noun):
        return action.removesuffix(between + noun), noun
    return first, noun

"""The networks of each form behind one call: crops or poses in, poses and the action out."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from htt_jax.datasets.facts import DatasetFacts
from htt_jax.devices import dtypes
from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.chain import Chain
from htt_jax.models.depth.ensemble import Ensemble
from htt_jax.models.depth.feedback import Feedback
from htt_jax.models.depth.pose_network import PoseNetwork
from htt_jax.support.errors import InputError

Network: TypeAlias = PoseNetwork | ActionNetwork | Chain | Feedback | Ensemble


class Clips(NamedTuple):
    """What a network is given: packed crops of some clips.

    Attributes:
        crops: normalised; a channel a hand.
        slot: where in `crops` each frame lies; of padding, anywhere.
        valid: whether a frame is real; real ones come first.
        poses: true ones, which the form 'action' takes instead of crops; 100 mm.
    """

    crops: Float[Array, "slots height width hands"]
    slot: Int[Array, "clips frames"]
    valid: Bool[Array, "clips frames"]
    poses: Float[Array, "clips frames joints 3"] | None = None


class Found(NamedTuple):
    """What a network says of the clips, and its statistics after them.

    Attributes:
        joints: 100 mm, relative to the crops' centres.
        log_probabilities: of the action of each clip.
        over_time: of the action as it stands after each frame.
        batch_stats: as they were, unless measured in training.
        codes: of poses along their principal components; of the form 'pose' alone.
    """

    joints: Float[Array, "clips frames joints 3"]
    log_probabilities: Float[Array, "clips actions"]
    over_time: Float[Array, "clips frames actions"]
    batch_stats: Mapping[str, Any]
    codes: Float[Array, "clips frames codes"] | None = None


@dataclasses.dataclass(frozen=True)
class Networks:
    """A form's network, and how it is applied.

    Attributes:
        form: see the options.
        network: the form's.
        part: of the forms 'pose' and 'action', the name that joint forms know the network by.
        actions: classes.
    """

    form: str
    network: Network
    part: str | None
    actions: int

    @property
    def has_attention(self) -> bool:
        """Of the action over all frames."""
        network = self.network
        if isinstance(network, PoseNetwork):
            return False
        return (network if isinstance(network, ActionNetwork) else network.action).attention

    def init(self, key: PRNGKeyArray, joints: int, hands: int, size: int) -> dict[str, Any]:
        """Random variables."""
        poses = jnp.zeros((1, 1, joints, 3))
        clips = Clips(
            jnp.zeros((1, size, size, hands)), jnp.zeros((1, 1), int), jnp.ones((1, 1), bool), poses
        )
        found = self.network.init(key, *self._arguments(clips, self.nothing_replaced(1)))
        variables = {"params": found["params"], "batch_stats": found.get("batch_stats", {})}
        return {name: {self.part: tree} if self.part else tree for name, tree in variables.items()}

    def nothing_replaced(self, frames: int) -> Bool[Array, "..."]:
        """Says for clips of so many frames that the pose network is told what the other says."""
        return jnp.zeros(frames if self.form == "feedback" else (), bool)

    def apply(
        self,
        variables: Mapping[str, Any],
        clips: Clips,
        replaced: Bool[Array, "..."],
        *,
        batch_statistics: bool = False,
        dropout: PRNGKeyArray | None = None,
    ) -> Found:
        """What the network says of clips.

        Args:
            variables: of `init`.
            clips: the input.
            replaced: where the pose network is told equal probabilities, as the form takes it.
            batch_statistics: normalise by those of the crops.
            dropout: key of its draws; None: none.
        """
        if self.part:
            variables = {name: tree[self.part] for name, tree in variables.items()}
        options: dict[str, Any] = {}
        if self.form != "action":
            options = {"batch_statistics": batch_statistics, "dropout": dropout is not None}
        out, changed = self.network.apply(
            variables,
            *self._arguments(clips, replaced),
            **options,
            rngs={} if dropout is None else {"dropout": dropout},
            mutable=["batch_stats"] if batch_statistics else [],
        )
        stats = changed.get("batch_stats", variables.get("batch_stats", {}))  # some have none
        return self._found(out, clips, {self.part: stats} if self.part else stats)

    def initial_state(self) -> Any:
        """Of one clip whose frames come one by one, before the first.

        Raises:
            InputError: the form needs the whole clip, or no crops.
        """
        if self.form == "pose":
            return ()
        if isinstance(self.network, Chain | Feedback):
            return self.network.initial_state(1)
        if self.form == "ensemble":
            raise InputError(
                "tells its second pose network the action of the whole clip "
                "(config.model.form=ensemble) and cannot take frames one at a time; give a run of "
                "the form feedback or chain"
            )
        raise InputError("takes true poses (config.model.form=action), which no frame has")

    def step(
        self,
        variables: Mapping[str, Any],
        state: Any,
        crops: Float[Array, "1 height width hands"],
        *,
        told_equal: bool,
    ) -> tuple[Any, Found]:
        """The state after one more frame of a clip, and what the network says of it."""
        if self.form == "pose":
            one = jnp.zeros((1, 1), int), jnp.ones((1, 1), bool)
            return state, self.apply(variables, Clips(crops, *one), jnp.zeros((), bool))
        found: Any
        if self.form == "chain":
            found = self.network.apply(variables, state, crops, method="step")
            state, joints, said = found
        else:
            replaced = jnp.full(1, told_equal)
            found = self.network.apply(variables, state, crops, replaced, method="step")
            state, joints = found
            said = state.log_probabilities
        return state, Found(joints[:, None], said, said[:, None], variables["batch_stats"])

    def _arguments(self, clips: Clips, replaced: Bool[Array, "..."]) -> tuple[Any, ...]:
        if self.form == "action":
            assert clips.poses is not None
            return clips.poses.reshape(*clips.poses.shape[:2], -1), clips.valid
        if self.form == "pose":
            told = jnp.full((clips.crops.shape[0], self.actions), 1 / self.actions)
            return clips.crops, told if self.part == "pose_film" else None
        packed = clips.crops, clips.slot, clips.valid
        return packed if self.form == "chain" else (*packed, replaced)

    def _found(self, out: Any, clips: Clips, batch_stats: Mapping[str, Any]) -> Found:
        if self.form == "action":
            assert clips.poses is not None
            return Found(clips.poses, out.log_probabilities, out.over_time, batch_stats)
        if self.form == "pose":
            nothing = jnp.full((*clips.valid.shape, self.actions), -jnp.log(self.actions))
            joints, codes = out.joints[clips.slot], out.codes[clips.slot]
            return Found(joints, nothing[:, 0], nothing, batch_stats, codes)
        return Found(out.joints, out.log_probabilities, out.action_over_time, batch_stats)


def make(config: ConfigDict, dataset: DatasetFacts) -> Networks:
    """The networks of `config` for the joints and classes of `dataset`."""
    model, actions = config.model, len(dataset.action_names)
    hands, joints = len(dataset.spec.hands), len(dataset.spec.skeleton.joints)

    def pose(conditioned: bool) -> PoseNetwork:
        return PoseNetwork(
            joints=joints,
            components=model.components,
            num_actions=actions if conditioned else None,
            stem_width=model.width // 2,
            widths=(model.width, 2 * model.width, 4 * model.width, 4 * model.width),
            blocks=model.blocks,
            hidden=model.hidden,
            dropout_rate=config.training.dropout,
            dtype=dtypes.resolve(model.dtype),
        )

    action = ActionNetwork(
        num_actions=actions,
        joints=hands * joints,
        width=model.action_width,
        attention=model.attention,
        mask_padding=model.mask_padding,
    )
    part = None
    network: Network
    match model.form:
        case "pose":
            part = "pose_film" if model.conditioned else "pose"
            network = pose(model.conditioned)
        case "action":
            part, network = "action", action
        case "chain":
            network = Chain(pose(False), action)
        case "feedback":
            network = Feedback(pose(True), action)
        case _:
            shares = config.ensemble.pose_share, config.ensemble.action_share
            network = Ensemble(pose(False), pose(config.ensemble.conditioned), action, *shares)
    return Networks(model.form, network, part, actions)

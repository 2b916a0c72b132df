"""The options of the depth systems; the defaults are the published values of the joint stages."""

from htt_jax.data.depth_crops import PROTOCOLS
from htt_jax.support.options import Option

FORMS = ("pose", "action", "chain", "feedback", "ensemble")
_NETWORKS_OF = {
    "chain": ("pose", "action"),
    "feedback": ("pose_film", "action"),
    "ensemble": ("pose", "pose_film", "action"),
}


def parts_of(form: str, *, attention: bool) -> dict[str, str]:
    """What a form starts from, each trained by a stage of its own: its place in the parameters."""
    parts = {name: name for name in _NETWORKS_OF.get(form, ())}
    return parts | {"attention": "action/score"} if parts and attention else parts


def _part(name: str, what: str) -> Option:
    return Option(
        f"init.{name}",
        "",
        f"the run to take {what} from, at its best checkpoint",
        free=True,
        compared=False,
        path=True,
    )


OPTIONS: tuple[Option, ...] = (
    # Model
    Option(
        "model.form",
        "chain",
        '"pose" or "action": one network alone, the latter on true poses; "chain": poses, then '
        'their action (method 1); "feedback": the action so far goes into the next pose (method '
        '2); "ensemble": a second pose network is told the action (method 3)',
        choices=FORMS,
    ),
    Option("model.conditioned", False, "form pose: the network that is told the action"),
    Option(
        "model.attention", False, "of the action over all frames; forms action, chain, ensemble"
    ),
    Option("model.mask_padding", True, "in the attention; False: as the published code"),
    Option("model.components", 30, "principal components of poses", least=1),
    Option("model.width", 64, "channels of the first group of blocks; a multiple of 4", least=4),
    Option("model.blocks", 5, "residual blocks of each group", least=1),
    Option("model.hidden", 1024, "units of the fully connected layers", least=1),
    Option("model.action_width", 100, "units of the LSTM", least=1),
    # Crops
    Option(
        "crops.protocol",
        "published",
        'where crops come from: "published", the true pose, at test time too; "honest", a cube '
        "around the hand as it is tracked in the depth maps; of one hand. Their figures do not "
        "compare",
        choices=PROTOCOLS,
    ),
    Option("crops.size", 128, "pixels a side; a multiple of 16", least=16),
    # Training
    Option("training.batch_statistics", False, "normalise by the batch; False: stored statistics"),
    Option("training.dropout", 0.0, "after both fully connected layers", least=0, most=0.99),
    Option(
        "training.frozen",
        "",
        "a network of a joint form that is not trained; of an ensemble the first pose network is "
        "not anyway",
        choices=("", "pose", "pose_film", "action"),
    ),
    Option("adam.amsgrad", True, "as PyTorch has it; False: Adam"),
    Option("adam.weight_decay", 1e-5, "L2, in the gradient", least=0),
    # Action to pose
    Option(
        "told.equal_probability",
        0.95,
        "how often the pose network is told equal probabilities instead of the action's",
        least=0,
        most=1,
    ),
    Option(
        "told.drawn_for", "batch", "whom that is drawn for together", choices=("batch", "video")
    ),
    Option(
        "told.at_test",
        "drawn",
        'what it is told there: "drawn" as in training, "equal", or "predicted" always',
        choices=("drawn", "equal", "predicted"),
    ),
    Option("ensemble.conditioned", True, "False: the second pose network is told nothing either"),
    Option("ensemble.pose_share", 0.5, "eta, of the second poses", least=0, most=1),
    Option(
        "ensemble.action_share", 0.5, "zeta, of the action of the second poses", least=0, most=1
    ),
    # Loss
    Option("loss.pose", 0.998, "per squared 100 mm, mean over coordinates", least=0),
    Option("loss.action", 0.002, "factor of the action's cross-entropy", least=0),
    # Initial weights
    _part("pose", "the pose network"),
    _part("pose_film", "the pose network that is told the action"),
    _part("action", "the action network"),
    _part("attention", "the action network's attention"),
)

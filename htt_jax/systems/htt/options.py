"""What a config of HTT can set."""

from htt_jax.models import backbones
from htt_jax.models.htt.frames import ACTION_INPUTS, BOX
from htt_jax.models.htt.queries import SPATIAL
from htt_jax.optimizer import OPTIMIZERS
from htt_jax.support.options import Option, way

OPTIONS: tuple[Option, ...] = (
    # Model
    Option("model.width", 512, "d, of every token", least=1),
    Option("model.heads", 8, "of every attention", least=1),
    Option("model.mlp_width", 2048, "between the two layers of each feed-forward part", least=1),
    Option("model.pose_layers", 2, "of the pose block", least=1),
    Option("model.action_layers", 2, "of the action block", least=1),
    Option("model.cascaded", True, "False: both blocks read the frame features (Tab. 5)"),
    Option(
        "model.action_inputs",
        ACTION_INPUTS,
        'any of the three (Eq. 5, Tab. 5), and "box", which model.object_box tells',
        tuple[str, ...],
        choices=(*ACTION_INPUTS, BOX),
    ),
    Option(
        "model.object_box",
        False,
        "One more head tells the object's box, its centre and corners, of datasets that have it.",
    ),
    Option(
        "model.forecast",
        0,
        "frames ahead, of the clip's spacing, whose poses are told after each window; 0: none, "
        "16 is about a second",
        least=0,
    ),
    Option(
        "model.spatial",
        "pool",
        'How a frame is seen: "pool", by its mean alone (the paper); "queries", by queries of '
        "each joint and the object too, which look at the backbone's last two maps.",
        choices=SPATIAL,
    ),
    Option("model.spatial_layers", 1, "of the queries", least=1),
    Option(
        "model.backbone",
        backbones.RESNET18,
        'What looks at frames, by its name in timm; the paper has "resnet18".',
        choices=backbones.NAMES,
    ),
    Option(
        "model.backbone_width",
        backbones.FULL_WIDTH,
        "channels of the ResNet's first stage, 64 as published; the others have as large a part "
        "of theirs",
        least=1,
    ),
    Option(
        "model.verb_noun",
        False,
        "Two more heads tell verb and noun, read off the actions' names; the action's score is "
        "then the product of the three probabilities.",
    ),
    # Initial weights
    Option(
        "init.backbone",
        "pretrained/resnet18.safetensors",
        "ImageNet weights: timm's of model.backbone, or torchvision's resnet18 (.safetensors or "
        '.pth). "": random weights, with batch-norm statistics measured on the first batch.',
        free=True,
        path=True,
    ),
    # Loss: lambda_2 lambda_1 etc. of Eq. 2 and 8, combined
    Option("loss.joints_2d", 1.0, "per pixel", least=0),
    Option("loss.depth", 100.0, "per metre", least=0),
    Option("loss.object", 1.0, "factor of the objects' cross-entropy", least=0),
    Option("loss.action", 1.0, "factor of the action's cross-entropy", least=0),
    Option(
        "loss.action_over_time",
        0.0,
        "factor of the action's cross-entropy after each window, what follows unseen; 0: off",
        least=0,
    ),
    Option(
        "loss.action_at_cut",
        0.0,
        "factor of the action's cross-entropy where each clip is cut, at a random border of its "
        "windows (EAST, 2026); 0: off",
        least=0,
    ),
    Option(
        "loss.verb_noun", 1.0, "factor of verb's and noun's, with model.verb_noun only", above=0
    ),
    Option(
        "loss.label_smoothing",
        0.0,
        "of the action, its verb and noun, not of objects and forecasts; 0.1 in literature",
        least=0,
        below=1,
    ),
    Option(
        "training.token_dropout",
        0.0,
        "Probability that a clip loses, in training, its poses or its objects as inputs of the "
        "action block: one of them, in all frames (EffHandEgoNet, 0.3 there).",
        least=0,
        below=1,
    ),
    Option(
        "loss.class_weights",
        "none",
        "Of a clip in the action's cross-entropy, its verb's and noun's: "
        '"none": all alike; "balanced": by its action, so that all actions count as much in an '
        "epoch.",
        choices=("none", "balanced"),
    ),
    Option(
        "training.frozen",
        "",
        "Parts of the model that are not trained but stay as init has them, with commas, such as "
        '"backbone,pose_block"; the table at the start of training has their names.',
    ),
    Option(
        "training.optimizer",
        "adam",
        'What makes steps of gradients: "adam" (the paper), or "muon", which makes those of '
        "kernels orthogonal and in the demo learns in fewer steps; a learning rate suits both.",
        choices=tuple(OPTIMIZERS),
    ),
    Option("loss.object_box_2d", 1.0, "per pixel, of the points of the object's box", least=0),
    Option("loss.object_box_depth", 100.0, "per metre, of the points of the object's box", least=0),
    Option("loss.forecast_joints_2d", 1.0, "per pixel, of the poses to come", least=0),
    Option("loss.forecast_depth", 100.0, "per metre, of the poses to come", least=0),
    Option("loss.forecast_action", 1.0, "of the cross-entropy of the action to come", least=0),
    # Distillation
    Option(
        "distill.teacher",
        "",
        "the run of a teacher, whose answers are learned beside the labels; its best checkpoint",
        free=True,  # its weights must be as they were, wherever they lie
        path=True,
    ),
    Option(
        "distill.data",
        "",
        'a prepared dataset whose split "train" is trained on too, without its labels',
        free=True,
        path=True,
    ),
    way(
        "distill.cache",
        "",
        'where the answers of the teacher are kept, for all its students; "": in the run\'s folder',
        path=True,
    ),
    Option("distill.pose", 1.0, "of poses, in parts of loss.joints_2d and loss.depth", least=0),
    Option("distill.object", 1.0, "factor of the objects' divergence", least=0),
    Option("distill.action", 1.0, "factor of the action's divergence", least=0),
    Option("distill.tokens", 0.0, "factor of the likeness of a clip's frame tokens", least=0),
    Option("distill.temperature", 2.0, "of the classes' probabilities", above=0),
    # Augmentation
    Option("augment.enabled", True, "False: none"),
    Option("augment.brightness", 0.5, "factor in 1 +- this"),
    Option("augment.contrast", 0.5, "factor in 1 +- this"),
    Option("augment.saturation", 0.5, "factor in 1 +- this"),
    Option("augment.hue", 0.15, "of the colour circle"),
    Option("augment.translation", 48, "pixels, each axis"),
    Option("augment.blur", 0.5, "largest deviation, pixels"),
    Option("model.pixel_scale", 100.0, "pixels per raw unit of x and y", former=True),
    Option(
        "model.depth_scale", 1e-4, "metres per raw unit of z and pixel of focal length", former=True
    ),
)

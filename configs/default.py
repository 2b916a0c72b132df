"""Every option once, at the paper's value where the paper has one; the other configs start here.

Any option is overridden on the command line: `--config.optimizer.learning_rate=1e-4`.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    """The paper's settings (Sec. 3.4), without a dataset."""
    config = ConfigDict()
    config.seed = 0  # of initial weights, data order and augmentation
    config.epochs = 45  # passes over all training clips
    config.batch_size = 2  # clips a step, over all devices

    config.data = ConfigDict()
    config.data.directory = placeholder(str)  # what data_prep wrote
    config.data.frames = 128  # T, frames of a clip
    config.data.spacing = 2  # raw frames from one frame of a clip to the next
    config.data.image_size = placeholder(tuple)  # (width, height); None: as stored
    # Decoded training frames: "none"; "host": kept in memory; "device": kept by the devices, split
    # over them. FPHA takes about 20 GB at 480x270. The batches are the same.
    config.data.cache = "none"
    config.data.workers = 0  # loader processes on this host; 0: threads, which copy less

    config.model = ConfigDict()
    config.model.window = 16  # t, frames of a pose window; 1: no pose block (Tab. 4)
    config.model.width = 512  # d, of every token
    config.model.heads = 8
    config.model.mlp_width = 2048
    config.model.pose_layers = 2
    config.model.action_layers = 2
    config.model.cascaded = True  # False: both blocks read the frame features (Tab. 5)
    config.model.action_inputs = ("image", "pose", "object")  # any of the three (Eq. 5, Tab. 5)
    config.model.backbone_width = 64  # channels of the ResNet's first stage
    config.model.pixel_scale = 100.0  # pixels per raw unit; other image widths: width / 4.8
    config.model.depth_scale = 1e-4  # metres per raw unit and focal pixel; 0.048 / width
    # Compute the backbone's activations again for the gradient, 64 frames at a time, instead of
    # keeping them: 5.7 GB instead of 65 at T = 512 (two clips, float32), for a third more work.
    # Not for processors, on which XLA's loops are slow.
    config.model.rematerialise = False
    # Of the computation: "float32", "bfloat16", or "auto", which is bfloat16 on GPUs and TPUs and
    # float32 on processors. Parameters, sums, poses and logits are float32.
    config.model.dtype = "auto"

    config.init = ConfigDict()
    # ImageNet weights: torchvision's or timm's resnet18 (.safetensors; .pth with torch installed).
    # "": random weights, with batch-norm statistics measured on the first batch.
    config.init.backbone = "pretrained/resnet18.safetensors"
    # A whole trained model to fine-tune, instead: a run's folder or a file of weights (its best
    # checkpoint; parts of other joints or classes start random). "": none.
    config.init.checkpoint = ""

    config.loss = ConfigDict()
    config.loss.joints_2d = 1.0  # per pixel; lambda_2 lambda_1 etc. of Eq. 2 and 8, combined
    config.loss.depth = 100.0  # per metre
    config.loss.object = 1.0
    config.loss.action = 1.0
    config.mask_unannotated_hands = True  # in loss and metrics; False: as the published code

    config.augment = ConfigDict()
    config.augment.enabled = True
    config.augment.brightness = 0.5  # factor in 1 +- this
    config.augment.contrast = 0.5
    config.augment.saturation = 0.5
    config.augment.hue = 0.15  # of the colour circle
    config.augment.translation = 48  # pixels, each axis
    config.augment.blur = 0.5  # largest deviation, pixels

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 3e-5
    config.optimizer.warmup_steps = 0  # linear; random weights need some
    config.optimizer.decay_factor = 0.5
    config.optimizer.decay_epochs = 15  # between two decays

    config.mesh = ConfigDict()
    config.mesh.fsdp = 1  # devices that share one copy of the state; the others split the batch

    config.checkpoint = ConfigDict()
    config.checkpoint.every_steps = 2000
    config.checkpoint.keep = 3  # the newest ones; the best one is kept besides
    config.checkpoint.best_metric = "action_accuracy"  # of `eval.split`; or "mepe", "mepe_ra"

    config.eval = ConfigDict()
    config.eval.every_epochs = 5  # and after the last
    config.eval.split = "test"
    config.eval.batch_size = 4  # clips, over all devices

    config.log = ConfigDict()
    config.log.every_steps = 20  # lines in metrics.jsonl and TensorBoard

    config.profile = ConfigDict()
    config.profile.first_step = 0  # traced into WORKDIR/profile, counted from 1; 0: none
    config.profile.steps = 5
    return config

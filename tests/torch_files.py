"""Small checkpoints as the published code writes them, by real PyTorch."""

import torch

from htt_jax.interop import torch_model

# The model of `runs.tiny_config` on the dataset of `prepared`.
SIZES = {
    "num_joints": 21,
    "num_actions": 3,
    "num_objects": 2,
    "window": 2,
    "width": 32,
    "heads": 2,
    "mlp_width": 32,
    "pose_layers": 1,
    "action_layers": 1,
    "backbone_width": 4,
}
LEARNING_RATE = 1e-3
DECAY_STEPS = 2
STEPS = 3


def make(seed=0, **sizes):
    """A model of random weights, its statistics too."""
    torch.manual_seed(seed)
    module = torch_model.HTT(**SIZES | sizes)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return module


def train(module, optimizer, steps=STEPS, seed=0):
    """Some steps on random frames, each towards other outputs; returns the schedule."""
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, DECAY_STEPS, gamma=0.5)
    for step in range(steps):
        backward(module, seed + step)
        optimizer.step()
        schedule.step()
    return schedule


def backward(module, seed):
    """Gives every parameter that has an effect a gradient."""
    random = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 4, 36, 64, 3, generator=random) - 0.5
    valid = torch.tensor([[True, True, True, False]])
    intrinsics = torch.tensor([[60.0, 0, 32], [0, 60, 18], [0, 0, 1]]).repeat(1, 4, 1, 1)
    module.zero_grad()
    outputs = module(image, valid, intrinsics)
    sum((x * torch.randn(x.shape, generator=random)).mean() for x in outputs.values()).backward()


def adam(module):
    """The published optimizer, at a rate at which a few steps show."""
    return torch.optim.Adam(module.parameters(), lr=LEARNING_RATE)


def save(path, module, optimizer=None, schedule=None, epoch=2):
    """Writes what the published code does, and a table that only older checkpoints have."""
    table = {"module.transformer_pe.pe": torch.zeros(1, 8, 32)}
    state_dict = {f"module.{name}": x for name, x in module.state_dict().items()} | table
    content = {"epoch": epoch, "network": "HTT", "state_dict": state_dict}
    if optimizer is not None:
        content |= {"optimizer": optimizer.state_dict(), "scheduler": schedule}
    torch.save(content, path)
    return path


# What no tensor tells, as `from_pytorch` takes it.
OPTIONS = (
    "--config.data.frames=4",
    "--config.model.window=2",
    "--config.model.heads=2",
    "--config.init.backbone=",
    "--config.augment.enabled=False",
)


def save_trained(path, epoch=2, **sizes):
    """A checkpoint of a few steps; returns its module, optimizer and schedule."""
    module = make(**sizes)
    optimizer = adam(module)
    schedule = train(module, optimizer)
    save(path, module, optimizer, schedule, epoch)
    return module, optimizer, schedule

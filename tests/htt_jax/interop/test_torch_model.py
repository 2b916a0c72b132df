import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from htt_jax.interop import torch_model
from tests.parity import cases, recipe

NAMES = ("joints_2d", "depth", "joints_3d", "object_logits", "action_logits")


def load(name):
    """Returns (model, inputs, targets, what the published code returned)."""
    case = cases.CASES[name]
    model = torch_model.HTT(
        num_joints=case["joints"],
        num_actions=case["actions"],
        num_objects=case["objects"],
        window=case["t"],
    )
    state_dict = {key: torch.tensor(x) for key, x in recipe.state_dict(case).items()}
    model.load_state_dict(state_dict, strict=True)
    batch = {key: torch.tensor(x) for key, x in recipe.batch(case).items()}
    inputs = (batch["image"].permute(0, 1, 3, 4, 2), batch["valid"].bool(), batch["intrinsics"])
    return model, inputs, batch, np.load(cases.HERE / f"{name}.npz")


def losses(out, batch):
    """The published loss and its terms."""
    valid = batch["valid"].bool()
    target = batch["joints_25d"]
    terms = {
        "joints_2d": F.l1_loss(out["joints_2d"][valid], target[valid][..., :2]),
        "depth": F.l1_loss(out["depth"][valid], target[valid][..., 2]),
        "object": F.cross_entropy(out["object_logits"][valid], batch["object"][valid]),
        "action": F.cross_entropy(out["action_logits"], batch["action"]),
    }
    total = terms["joints_2d"] + 100 * terms["depth"] + terms["object"] + terms["action"]
    return {"total": total, **terms}


@pytest.fixture(scope="module")
def small():
    """A small model and inputs of it."""
    torch.manual_seed(0)
    model = torch_model.HTT(
        num_joints=21,
        num_actions=3,
        num_objects=2,
        window=4,
        width=32,
        heads=4,
        mlp_width=64,
        pose_layers=1,
        action_layers=1,
        backbone_width=4,
    )
    return model, small_inputs(clips=2, frames=8)


def small_inputs(clips, frames):
    valid = torch.ones(clips, frames, dtype=torch.bool)
    valid[-1, 3:] = False
    intrinsics = torch.tensor([[58.0, 0, 32], [0, 57, 18], [0, 0, 1]]).repeat(clips, frames, 1, 1)
    return torch.rand(clips, frames, 36, 64, 3) - 0.5, valid, intrinsics


def test_names_shapes_and_order_are_the_published_ones():
    sizes = {"J3": 126, "J2": 84, "A": 36, "O": 8}
    keys = json.loads((cases.HERE / "state_dict_keys.json").read_text())
    expected = [(name, tuple(sizes.get(n, n) for n in shape)) for name, shape in keys.items()]
    model = torch_model.HTT(num_joints=42, num_actions=36, num_objects=8, window=16)
    found = [(name, tuple(x.shape)) for name, x in model.state_dict().items()]
    assert found == expected


@pytest.mark.parametrize("name", ["fpha_forward", "h2o_forward"])
def test_forward_pass_gives_the_published_poses_probabilities_and_losses(name):
    model, inputs, batch, expected = load(name)
    with torch.no_grad():
        out = model(*inputs)
    real = inputs[1].numpy()

    def largest_error(found, key):
        return np.abs(found.numpy() - expected[key])[real].max()

    assert largest_error(out["joints_2d"], "joints_2d") < 1e-3
    assert largest_error(out["depth"][..., None], "joint_depth") < 1e-6
    assert largest_error(out["joints_3d"], "joints_3d") < 1e-6
    assert largest_error(out["object_logits"].softmax(-1), "object_probs") < 2e-6
    action_probabilities = out["action_logits"].softmax(-1).numpy()
    assert np.abs(action_probabilities - expected["action_probs"]).max() < 2e-6
    for term, found in losses(out, batch).items():
        np.testing.assert_allclose(found, expected[f"loss_{term}"], rtol=1e-6, err_msg=term)


def test_training_follows_the_published_gradients_and_losses_and_keeps_the_statistics():
    case = cases.CASES["fpha_train"]
    model, inputs, batch, expected = load("fpha_train")
    model.train()
    before = {name: x.clone() for name, x in model.named_buffers()}
    optimizer = torch.optim.Adam(model.parameters(), lr=case["lr"])
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, case["lr_step"], gamma=0.5)
    found = []
    for step in range(case["steps"] + 1):
        total = losses(model(*inputs), batch)["total"]
        found.append(total.item())
        optimizer.zero_grad()
        total.backward()
        if step == 0:
            gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
            assert list(gradients) == list(expected["grad_names"])
            norms = [gradient.norm().item() for gradient in gradients.values()]
            np.testing.assert_allclose(norms, expected["grad_norms"], rtol=5e-4)
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(found, expected["loss"], rtol=5e-5)
    for name, x in model.named_buffers():
        torch.testing.assert_close(x, before[name], rtol=0, atol=0, msg=name)


def test_poses_and_logits_under_autocast_are_near_and_not_rounded_to_bfloat16(small):
    model, inputs = small
    with torch.no_grad():
        exact = model(*inputs)
        with torch.autocast("cpu", torch.bfloat16):
            out = model(*inputs)
    for name in NAMES:
        assert out[name].dtype == torch.float32, name
        assert (out[name] - exact[name]).abs().max() < 0.02 * exact[name].abs().max(), name
    raw_xy = (out["joints_2d"] - torch.tensor([32.0, 18.0])) / 100
    for x in (raw_xy, out["object_logits"], out["action_logits"]):
        assert (x - x.bfloat16()).abs().max() > 1e-4 * x.abs().max()


def test_frames_must_fill_the_windows(small):
    model, _ = small
    with pytest.raises(RuntimeError, match="unflatten"):
        model(*small_inputs(clips=4, frames=6))

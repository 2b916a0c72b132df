"""Adam's state, both ways: by name, and by the next step that follows from it."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from htt_jax import optimizer as optim
from htt_jax.interop import adam, names, pytorch, weights
from htt_jax.support.errors import InputError
from tests import torch_files


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A module, its optimizer after some steps, and both as read from their file."""
    path = tmp_path_factory.mktemp("adam") / "published.pth"
    module, optimizer, _ = torch_files.save_trained(path)
    return module, optimizer, weights.read(str(path))


@pytest.fixture(scope="module")
def moments(trained):
    file = trained[2]
    return adam.from_torch(file.optimizer, file.tensors)


def used_parameters(module):
    return {name: x for name, x in module.named_parameters() if not names.is_unused(name)}


def by_torch_names(params, file):
    statistics = pytorch.to_variables(file.tensors)["batch_stats"]
    return pytorch.to_state_dict({"params": params, "batch_stats": statistics})


def test_every_moment_is_that_of_the_parameter_of_its_name(trained, moments):
    module, optimizer, file = trained
    mean, square = (by_torch_names(tree, file) for tree in (moments.mean, moments.square))
    for name, parameter in used_parameters(module).items():
        state = optimizer.state[parameter]
        assert state["exp_avg"].abs().sum() > 0, name
        np.testing.assert_array_equal(mean[name], state["exp_avg"].numpy(), err_msg=name)
        np.testing.assert_array_equal(square[name], state["exp_avg_sq"].numpy(), err_msg=name)
    assert moments.steps == torch_files.STEPS
    assert moments.learning_rate == 0.5 * torch_files.LEARNING_RATE


def test_the_next_step_of_optax_is_that_of_torch(trained, moments):
    module, optimizer, file = copy.deepcopy(trained)
    torch_files.backward(module, seed=9)
    gradients = {name: x.grad.numpy() for name, x in used_parameters(module).items()}
    optimizer.step()

    params = pytorch.to_variables(file.tensors)["params"]
    ours = optim.adam(optax.constant_schedule(moments.learning_rate))
    adam_state = optax.ScaleByAdamState(
        count=jnp.asarray(moments.steps), mu=moments.mean, nu=moments.square
    )
    state = optim.with_moments(ours.init(params), adam_state, step=7)
    step = jax.jit(ours.update)
    updates, state = step(pytorch.to_params(gradients), state)
    found = by_torch_names(jax.device_get(optax.apply_updates(params, updates)), file)
    for name, parameter in used_parameters(module).items():
        moved = np.abs(parameter.detach().numpy() - file.tensors[name]).max()
        assert moved > 1e-5, name
        np.testing.assert_allclose(
            found[name], parameter.detach().numpy(), rtol=1e-6, atol=1e-8, err_msg=name
        )
    assert optim.moments(state, params).count == moments.steps + 1


def test_torch_goes_on_from_what_is_written_bit_for_bit(trained, moments):
    module, optimizer, file = copy.deepcopy(trained)
    again = torch_files.make(seed=1)
    again.load_state_dict(module.state_dict())
    restored = torch.optim.Adam(again.parameters())
    restored.load_state_dict(to_tensors(adam.to_torch(moments, file.tensors)))
    for m, o in ((module, optimizer), (again, restored)):
        torch_files.backward(m, seed=9)
        o.step()
    for name, x in module.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], x, rtol=0, atol=0, msg=name)
    before, after = optimizer.state_dict(), restored.state_dict()
    assert after["state"].keys() == before["state"].keys()
    for option in ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "params"):
        assert after["param_groups"][0][option] == before["param_groups"][0][option]


def to_tensors(value):
    if isinstance(value, dict):
        return {name: to_tensors(x) for name, x in value.items()}
    if isinstance(value, list):
        return [to_tensors(x) for x in value]
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def test_there_and_back_changes_no_bit_and_leaves_the_unused_head_out(trained, moments):
    file = trained[2]
    state = adam.to_torch(moments, file.tensors)
    parameters = [name for name in file.tensors if names.is_parameter(name)]
    head = {i for i, name in enumerate(parameters) if ".fc." in name}
    assert len(head) == 2
    assert (
        state["state"].keys()
        == set(range(len(parameters))) - head
        == file.optimizer["state"].keys()
    )
    again = adam.from_torch(state, file.tensors)
    assert (again.steps, again.learning_rate) == (moments.steps, moments.learning_rate)
    jax.tree.map(np.testing.assert_array_equal, again.mean, moments.mean)
    jax.tree.map(np.testing.assert_array_equal, again.square, moments.square)


def test_parameters_that_no_step_has_reached_have_zero_moments(trained):
    file = trained[2]
    first = file.optimizer["state"][0]
    found = adam.from_torch(dict(file.optimizer, state={0: first}), file.tensors)
    assert found.steps == torch_files.STEPS
    moments = [*jax.tree.leaves(found.mean), *jax.tree.leaves(found.square)]
    assert sum((x != 0).any() for x in moments) == 2  # the token's


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state, group: state.clear(), "state is empty: it has taken no step"),
        (lambda state, group: group.pop("params"), "no numbers of parameters under 'params'"),
        (lambda state, group: group.update(params=5), "no numbers of parameters under 'params'"),
        (lambda state, group: group.pop("lr"), "learning rate is None, expected a number"),
        (lambda state, group: group.update(lr="fast"), "learning rate is 'fast', expected"),
        (lambda state, group: group.update(lr=float("nan")), "learning rate is nan, expected"),
        (lambda state, group: state.update({0: 3}), "action_token has step of shape None"),
        (lambda state, group: state[0].pop("step"), "action_token has step of shape None"),
        (lambda state, group: state[0].update(step="3"), "action_token has step of shape None"),
        (lambda state, group: state[0].update(step=np.nan), "has step that is no finite number"),
        (lambda state, group: state[0].update(exp_avg="x"), "has exp_avg of shape None, expected"),
        (
            lambda state, group: state[0].update(exp_avg_sq=np.full((1, 1, 32), np.inf)),
            "action_token has exp_avg_sq that is no finite number",
        ),
    ],
)
def test_a_malformed_state_is_refused(trained, change, message):
    optimizer = copy.deepcopy(trained[2].optimizer)
    change(optimizer["state"], optimizer["param_groups"][0])
    with pytest.raises(InputError, match=message):
        adam.from_torch(optimizer, trained[2].tensors)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda parameters: torch.optim.SGD(parameters, lr=0.1),
            r"betas is None, expected \(0.9, 0.999\); only the state of Adam",
        ),
        (
            lambda parameters: torch.optim.Adamax(parameters),
            r"state of action_token has exp_avg_sq of shape None, expected \(1, 1, 32\); only",
        ),
        (
            lambda parameters: torch.optim.AdamW(parameters),
            r"weight_decay is 0.01, expected 0; only the state of Adam with PyTorch's defaults",
        ),
        (
            lambda parameters: torch.optim.Adam(parameters, amsgrad=True),
            "amsgrad is True, expected False",
        ),
        (
            lambda parameters: torch.optim.Adam(parameters, betas=(0.5, 0.999)),
            r"betas is \(0.5, 0.999\), expected \(0.9, 0.999\)",
        ),
        (
            lambda parameters: torch.optim.Adam(
                [{"params": parameters[:3], "lr": 0.1}, {"params": parameters[3:]}]
            ),
            "2 groups of parameters, expected one",
        ),
        (
            lambda parameters: torch.optim.Adam(parameters[:-2]),
            r"state is of \d+ parameters, the model has \d+; expected Adam over all of them",
        ),
        (
            lambda parameters: torch.optim.Adam(parameters[::-1]),
            r"state of action_token has exp_avg of shape \(3,\), expected \(1, 1, 32\)",
        ),
    ],
)
def test_another_optimizer_is_refused_with_the_difference(trained, tmp_path, make, message):
    module = copy.deepcopy(trained[0])
    optimizer = make(list(module.parameters()))
    torch_files.backward(module, seed=0)
    optimizer.step()
    file = weights.read(str(torch_files.save(tmp_path / "a.pth", module, optimizer)))
    with pytest.raises(InputError, match=message):
        adam.from_torch(file.optimizer, file.tensors)

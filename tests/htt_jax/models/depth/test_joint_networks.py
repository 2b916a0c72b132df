"""The three ways to join a pose and an action network, on clips of several lengths."""

import functools

import jax
import numpy as np
import pytest

from htt_jax.models.depth.chain import Chain
from htt_jax.models.depth.ensemble import Ensemble
from htt_jax.models.depth.feedback import Feedback
from tests.htt_jax.models.depth import small

LENGTHS, LONGEST = (3, 2), 4
POSE, TOLD = small.pose_network(), small.pose_network(num_actions=small.ACTIONS)
ACTION = small.action_network()
# Whether equal probabilities are told: of each clip, and of all in one.
SHAPES = {"chain": None, "feedback": (2, LONGEST), "ensemble": (2,)}
NEVER = {name: () if shape is None else (np.zeros(shape, bool),) for name, shape in SHAPES.items()}
NEVER_IN_ALL = {name: tuple(x[0] for x in never) for name, never in NEVER.items()}
SYSTEMS = {
    "chain": Chain(POSE, ACTION),
    "feedback": Feedback(TOLD, ACTION),
    "ensemble": Ensemble(POSE, TOLD, small.action_network(attention=True)),
}


@functools.cache
def made(name):
    """The system compiled, its variables, and packed clips."""
    clips = small.packed(LENGTHS, LONGEST)
    variables = small.variables_of(SYSTEMS[name], *clips, *NEVER[name])
    compiled = jax.jit(SYSTEMS[name].apply)
    return lambda *arguments: jax.device_get(compiled(*arguments)), variables, clips


@functools.cache
def computed(name):
    compute, variables, clips = made(name)
    return compute(variables, *clips, *NEVER[name])


@pytest.mark.parametrize("name", SYSTEMS)
def test_padding_has_no_joints_and_changes_nothing(name):
    compute, variables, (crops, slot, valid) = made(name)
    out = computed(name)
    assert (out.joints[~valid] == 0).all()
    assert (np.abs(out.joints[valid]).max(axis=(1, 2)) > 0).all()
    elsewhere = np.where(valid, slot, 0)
    again = compute(variables, crops, elsewhere, valid, *NEVER[name])
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), again, out)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_clip_alone_gives_what_it_gives_in_a_batch(name):
    compute, variables, (crops, slot, valid) = made(name)
    clip = 0
    frames = slot[clip][valid[clip]]
    alone = np.resize(frames, len(crops))  # of no other clip is anything left
    slots = np.array([[0, 1, 2, 0], [0, 0, 0, 0]], np.int32)
    only = valid & [[True], [False]]
    out = compute(variables, crops[alone], slots, only, *NEVER[name])
    np.testing.assert_allclose(out.joints[0], computed(name).joints[clip], rtol=1e-5, atol=1e-5)
    whole = computed(name).log_probabilities[clip]
    np.testing.assert_allclose(out.log_probabilities[0], whole, rtol=1e-5, atol=1e-5)


def test_feedback_frame_by_frame_is_feedback_over_the_clip():
    _, variables, (crops, slot, valid) = made("feedback")
    out, system = computed("feedback"), SYSTEMS["feedback"]

    step = jax.jit(functools.partial(system.apply, method="step"))
    state = jax.device_get(system.apply(variables, len(slot), method="initial_state"))
    for frame in range(LONGEST):
        inputs = crops[slot[:, frame]], np.array([False])
        state, joints = jax.device_get(step(variables, state, *inputs))
        here = valid[:, frame]
        np.testing.assert_allclose(joints[here], out.joints[:, frame][here], rtol=1e-5, atol=1e-5)
        over_time = out.action_over_time[:, frame][here]
        np.testing.assert_allclose(state.log_probabilities[here], over_time, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["feedback", "ensemble"])
def test_equal_probabilities_replace_the_action_of_all_clips_or_of_one(name):
    compute, variables, clips = made(name)
    never = computed(name)
    always = compute(variables, *clips, np.ones(SHAPES[name], bool))
    assert np.abs(never.joints - always.joints).max(axis=(1, 2, 3)).min() > 1e-3
    one = np.zeros(SHAPES[name], bool)
    one[0] = True
    out = compute(variables, *clips, one)
    np.testing.assert_allclose(out.joints[0], always.joints[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(out.joints[1], never.joints[1], rtol=1e-5, atol=1e-5)


def test_the_first_frames_draw_has_no_effect_in_feedback():
    compute, variables, clips = made("feedback")
    first = np.tile(np.arange(LONGEST) == 0, (2, 1))
    out = compute(variables, *clips, first)
    np.testing.assert_allclose(out.joints, computed("feedback").joints, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_in_training_all_networks_follow_the_batch_but_the_ensembles_first(name):
    _, variables, clips = made(name)
    options = {"batch_statistics": True, "dropout": True, "mutable": ["batch_stats"]}

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def trained(params, key, *inputs):
        given = {**variables, "params": params}
        out, changed = SYSTEMS[name].apply(given, *inputs, rngs={"dropout": key}, **options)
        loss = (out.joints**2).sum() - out.log_probabilities[:, 0].sum()
        return loss, (out.joints, changed["batch_stats"])

    (gradients, (first, statistics)), (_, (other, _)) = (
        jax.device_get(
            trained(variables["params"], jax.random.key(seed), *clips, *NEVER_IN_ALL[name])
        )
        for seed in (0, 1)
    )
    assert np.abs(first - other).max() > 1e-4  # what is dropped is drawn
    with_gradient = {
        part: any(np.any(x) for x in jax.tree.leaves(tree)) for part, tree in gradients.items()
    }
    assert with_gradient == {part: (name, part) != ("ensemble", "pose") for part in gradients}
    moved = {
        part: not jax.tree.all(jax.tree.map(np.array_equal, tree, statistics[part]))
        for part, tree in jax.device_get(variables["batch_stats"]).items()
    }
    assert moved == {part: (name, part) != ("ensemble", "pose") for part in moved}

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
NEVER = {"chain": (), "feedback": (np.zeros(LONGEST, bool),), "ensemble": (np.array(False),)}
ALWAYS = {"feedback": (np.ones(LONGEST, bool),), "ensemble": (np.array(True),)}
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
    return jax.jit(SYSTEMS[name].apply), variables, clips


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
    _, variables, (crops, slot, valid) = made(name)
    clip = 0
    alone = (crops[slot[clip][valid[clip]]], np.array([[0, 1, 2, 0]], np.int32), valid[[clip]])
    out = jax.jit(SYSTEMS[name].apply)(variables, *alone, *NEVER[name])
    np.testing.assert_allclose(out.joints[0], computed(name).joints[clip], rtol=1e-5, atol=1e-5)
    whole = computed(name).log_probabilities[clip]
    np.testing.assert_allclose(out.log_probabilities[0], whole, rtol=1e-5, atol=1e-5)


def test_feedback_frame_by_frame_is_feedback_over_the_clip():
    _, variables, (crops, slot, valid) = made("feedback")
    out, system = computed("feedback"), SYSTEMS["feedback"]
    step = jax.jit(functools.partial(system.apply, method="step"))
    state = system.apply(variables, len(slot), method="initial_state")
    for frame in range(LONGEST):
        state, joints = step(variables, state, crops[slot[:, frame]], np.array([False]))
        here = valid[:, frame]
        np.testing.assert_allclose(joints[here], out.joints[:, frame][here], rtol=1e-5, atol=1e-5)
        over_time = out.action_over_time[:, frame][here]
        np.testing.assert_allclose(state.log_probabilities[here], over_time, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ALWAYS)
def test_equal_probabilities_replace_the_action_of_all_clips_or_of_one(name):
    compute, variables, clips = made(name)
    never = computed(name)
    always = compute(variables, *clips, *ALWAYS[name])
    assert np.abs(never.joints - always.joints).max(axis=(1, 2, 3)).min() > 1e-3
    shape = (2, LONGEST) if name == "feedback" else (2,)
    one = np.zeros(shape, bool)
    one[0] = True
    out = jax.jit(SYSTEMS[name].apply)(variables, *clips, one)
    np.testing.assert_allclose(out.joints[0], always.joints[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(out.joints[1], never.joints[1], rtol=1e-5, atol=1e-5)


def test_the_first_frames_draw_has_no_effect_in_feedback():
    compute, variables, clips = made("feedback")
    first = np.arange(LONGEST) == 0
    out = compute(variables, *clips, first)
    np.testing.assert_allclose(out.joints, computed("feedback").joints, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_network_gets_a_gradient_but_the_ensembles_first(name):
    _, variables, clips = made(name)

    def loss(params, clips):
        out = SYSTEMS[name].apply({**variables, "params": params}, *clips)
        return (out.joints**2).sum() - out.log_probabilities[:, 0].sum()

    found = jax.jit(jax.grad(loss))(variables["params"], (*clips, *NEVER[name]))
    moved = {part: any(np.any(x) for x in jax.tree.leaves(tree)) for part, tree in found.items()}
    assert moved == {part: (name, part) != ("ensemble", "pose") for part in found}


@pytest.mark.parametrize("name", SYSTEMS)
def test_statistics_follow_the_batch_and_dropout_is_drawn_where_asked_for(name):
    _, variables, clips = made(name)
    options = {"batch_statistics": True, "dropout": True, "mutable": ["batch_stats"]}
    compute = jax.jit(
        lambda key, *clips: SYSTEMS[name].apply(variables, *clips, rngs={"dropout": key}, **options)
    )
    (first, changed), (other, _) = (
        compute(jax.random.key(seed), *clips, *NEVER[name]) for seed in (0, 1)
    )
    assert np.abs(first.joints - other.joints).max() > 1e-4
    moved = {
        part: not jax.tree.all(jax.tree.map(np.array_equal, tree, changed["batch_stats"][part]))
        for part, tree in variables["batch_stats"].items()
    }
    assert moved == {part: (name, part) != ("ensemble", "pose") for part in moved}

import jax
import jax.numpy as jnp
import numpy as np

from htt_jax.systems.depth.losses import DepthLossWeights, joint_loss


def test_real_frames_weigh_the_same_and_unknown_actions_nothing():
    rng = np.random.default_rng(0)
    joints, target = (jnp.asarray(rng.normal(size=(2, 3, 4, 3))) for _ in range(2))
    log_probabilities = jax.nn.log_softmax(jnp.asarray(rng.normal(size=(2, 5))))
    counted = jnp.array([[True, True, True], [True, False, False]])
    joints = joints.at[1, 1].set(jnp.nan)  # of padding
    arguments = (joints, log_probabilities, target, counted)
    weights = DepthLossWeights(joints=2, action=3)
    loss, terms = joint_loss(*arguments, jnp.array([-1, 4]), weights)
    square = np.square(np.asarray(joints - target)[np.asarray(counted)]).mean()
    np.testing.assert_allclose(terms["joints"], square, rtol=1e-6)
    np.testing.assert_allclose(terms["action"], -log_probabilities[1, 4], rtol=1e-6)
    np.testing.assert_allclose(loss, 2 * square - 3 * log_probabilities[1, 4], rtol=1e-6)


def test_nothing_known_gives_zero_loss_and_zero_gradient():
    def loss_of(joints, log_probabilities):
        nothing = (jnp.zeros((1, 2), bool), jnp.array([-1]))
        target = jnp.full_like(joints, jnp.nan)
        arguments = (joints, log_probabilities, target, *nothing, DepthLossWeights())
        return joint_loss(*arguments)[0]

    inputs = (jnp.ones((1, 2, 4, 3)), jnp.zeros((1, 5)))
    loss, gradients = jax.value_and_grad(loss_of, argnums=(0, 1))(*inputs)
    assert loss == 0
    assert not any(np.any(gradient) for gradient in gradients)

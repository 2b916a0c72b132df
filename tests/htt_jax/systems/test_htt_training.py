"""What training of HTT's action can be given besides: other answers, other heads, less to see."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.interop import pytorch
from htt_jax.models.htt import seen
from htt_jax.runs.config import check_options
from htt_jax.support.errors import InputError
from htt_jax.systems.htt import chance
from tests import train_runs

FACTS = DatasetFacts(FPHA, ("open_milk", "close_milk", "put_salt"), ("milk", "salt"), (64, 36), "1")
WINDOW, FRAMES, WIDTH = 4, 16, 32
LENGTHS = [16, 9, 8, 3]  # of the clips: four windows, three, two, one
BATCH = {
    "video": jnp.arange(4),
    "start": jnp.array([0, 1, 0, 2]),
    "valid": jnp.arange(FRAMES) < jnp.array(LENGTHS)[:, None],
}
ALL = {
    "loss__action_over_time": 0.5,
    "loss__action_at_cut": 0.25,
    "loss__label_smoothing": 0.1,
    "training__token_dropout": 0.3,
    "model__verb_noun": True,
}


def make(**options):
    config = train_runs.tiny_config("data", data__frames=FRAMES, **options)
    check_options(config)
    return systems.make(config, FACTS)


def training_batch():
    """The shapes of a batch on the devices."""
    array = jax.ShapeDtypeStruct
    clips, slots = len(LENGTHS), sum(LENGTHS)
    of_clips = dict.fromkeys(("object", "action", "video", "start"), ((clips,), jnp.int32))
    of_slots = dict.fromkeys(("slot_clip", "slot_frame"), ((slots,), jnp.int32))
    others = {
        "image": ((slots, 36, 64, 3), jnp.uint8),
        "slot": ((clips, FRAMES), jnp.int32),
        "joints_3d": ((clips, FRAMES, 21, 3), jnp.float32),
        "intrinsics": ((clips, FRAMES, 3, 3), jnp.float32),
        "valid": ((clips, FRAMES), bool),
        "hand_annotated": ((clips, FRAMES, 1), bool),
    }
    return {name: array(*what) for name, what in (of_clips | of_slots | others).items()}


@functools.cache
def shapes_of(everything):
    """The names of the training inputs and of the loss's terms, and the variables' shapes."""
    system = make(**ALL if everything else {})
    variables = jax.eval_shape(system.random_variables, jax.random.key(0))
    inputs = jax.eval_shape(system.training_inputs, jax.random.key(0), training_batch())
    losses = jax.eval_shape(system.loss, variables, inputs)
    return set(inputs), set(losses.terms), variables


def test_nothing_is_drawn_and_nothing_added_unless_it_is_asked_for():
    plain, asked = shapes_of(everything=False), shapes_of(everything=True)
    assert asked[0] - plain[0] == {"cut", "dropped"}
    assert plain[1] == {"joints_2d", "depth", "object", "action"}
    assert asked[1] - plain[1] == {"verb", "noun", "action_at_cut", "action_over_time"}
    added = set(asked[2]["params"]) - set(plain[2]["params"])
    assert added == {"verb_head", "noun_head"}
    assert asked[2]["params"]["noun_head"]["kernel"].shape == (WIDTH, 2)


@functools.cache
def draws(count=200):
    """Cuts and what is dropped at so many steps, at a probability of 0.3."""

    def one(step):
        key = jax.random.fold_in(jax.random.key(0), step)
        both = ("image", "pose", "object")
        return chance.cuts(key, BATCH, WINDOW), chance.dropped(key, BATCH, 0.3, both)

    return jax.device_get(jax.jit(jax.vmap(one))(jnp.arange(count)))


def test_each_border_inside_a_clip_is_as_likely_a_cut_and_one_window_has_none():
    cuts, _ = draws()
    found = [np.unique(of_clip, return_counts=True) for of_clip in cuts.T]
    assert [borders.tolist() for borders, _ in found] == [[4, 8, 12], [4, 8], [4], [0]]
    np.testing.assert_allclose(found[0][1] / len(cuts), 1 / 3, atol=0.1)


def test_a_clip_loses_poses_or_objects_never_both_as_often_as_is_asked_for():
    _, dropped = draws()
    assert not dropped.all(axis=-1).any()
    np.testing.assert_allclose(dropped.mean(axis=(0, 1)), 0.15, atol=0.04)
    lost = chance.dropped(jax.random.key(1), BATCH, 0.99, ("image", "object"))
    np.testing.assert_array_equal(lost, [[False, True]] * 4)


def test_a_clip_draws_the_same_wherever_it_lies_in_a_batch():
    turned = jax.tree.map(lambda x: x[::-1], BATCH)
    key = jax.random.key(3)
    for draw in (
        lambda batch: chance.cuts(key, batch, WINDOW),
        lambda batch: chance.dropped(key, batch, 0.5, ("pose", "object")),
    ):
        np.testing.assert_array_equal(draw(turned)[::-1], draw(BATCH))


@pytest.fixture(scope="module")
def network():
    """A model with verbs and nouns, random parameters, and tokens of two clips."""
    model = make(model__verb_noun=True).model
    rng = np.random.default_rng(0)
    abstract = shapes_of(everything=True)[2]
    variables = jax.tree.map(lambda x: rng.normal(0, 0.3, x.shape).astype(np.float32), abstract)
    tokens = jnp.asarray(rng.normal(size=(2, FRAMES, WIDTH)).astype(np.float32))

    @jax.jit
    def ask(tokens, visible):
        answer = functools.partial(model.apply, variables, tokens, visible)
        return answer(method="answers") | {"score": answer(method="per_clip")}

    return model, variables, tokens, ask


def test_a_cut_clip_is_answered_as_one_that_ends_there(network):
    _, _, tokens, ask = network
    valid = jnp.ones((2, FRAMES), bool)
    other = tokens.at[:, 8:].set(100)
    visible = seen.before(valid, jnp.array([8, 4]))
    found, there = ask(tokens, visible), ask(other, visible)
    for name, x in found.items():
        np.testing.assert_array_equal(x, there[name], err_msg=name)
    after = seen.after_windows(visible, WINDOW)
    assert after.sum(axis=2).tolist() == [[4, 8, 8, 8], [4, 4, 4, 4]]


def test_the_score_of_an_action_is_the_product_over_the_known_actions(network):
    model, _, tokens, ask = network
    assert (model.verbs, model.nouns) == ((0, 1, 2), (0, 0, 1))
    found = ask(tokens, jnp.ones((2, FRAMES), bool))
    p = {name: jax.nn.softmax(x) for name, x in found.items()}
    product = p["action_logits"] * p["verb_logits"] * p["noun_logits"][:, [0, 0, 1]]
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p["score"], expected, rtol=1e-5)
    assert not np.allclose(expected, p["action_logits"], rtol=0.1)


def test_what_is_dropped_changes_nothing_and_the_rest_does(network):
    model, variables, tokens, _ = network
    rng = np.random.default_rng(1)
    poses, objects = (
        jnp.asarray(rng.normal(size=(2, 2, FRAMES, *shape)).astype(np.float32))
        for shape in ((21, 3), (2,))
    )
    dropped = jnp.array([[True, False], [False, True]])  # the poses of one clip, objects of another
    found = {
        (i, j): model.apply(
            variables, tokens, poses[i], objects[j], dropped, method="_action_tokens"
        )
        for i, j in itertools.product((0, 1), repeat=2)
    }
    np.testing.assert_array_equal(found[0, 0][0], found[1, 0][0])
    np.testing.assert_array_equal(found[0, 0][1], found[0, 1][1])
    assert (found[0, 0][0] != found[0, 1][0]).any(axis=-1).all()
    assert (found[0, 0][1] != found[1, 0][1]).any(axis=-1).all()


def test_the_published_layout_has_no_verbs(network):
    with pytest.raises(InputError, match=r"lacks params/noun_head/.* export it to stablehlo") as no:
        pytorch.to_state_dict(network[1])
    assert "\n" not in str(no.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss__label_smoothing": 1.0}, r"config\.loss\.label_smoothing=1\.0 must be below 1"),
        ({"loss__action_at_cut": -1.0}, r"config\.loss\.action_at_cut=-1\.0 must be at least 0"),
        ({"training__token_dropout": 1.0}, r"config\.training\.token_dropout=1\.0 must be below 1"),
        ({"loss__verb_noun": 0.0}, r"config\.loss\.verb_noun=0\.0 must be above 0"),
        (
            {"loss__action_over_time": 1.0, "model__window": FRAMES},
            r"loss\.action_over_time=1\.0 needs clips of several windows; config\.data\.frames=16",
        ),
        (
            {"loss__action_at_cut": 1.0, "model__window": FRAMES},
            r"config\.loss\.action_at_cut=1\.0 needs clips of several windows",
        ),
        (
            {"training__token_dropout": 0.3, "model__action_inputs": ("image",)},
            r"token_dropout=0\.3 needs an action block that is told poses or objects; .*'image',",
        ),
        (
            {"training__token_dropout": 0.3, "model__cascaded": False},
            r"token_dropout=0\.3 needs .*config\.model\.cascaded=False",
        ),
    ],
)
def test_options_that_have_nothing_to_work_on_are_refused(options, said):
    with pytest.raises(InputError, match=said) as refused:
        make(**options)
    assert "\n" not in str(refused.value)


def test_actions_without_verbs_and_nouns_are_refused():
    config = train_runs.tiny_config("data", model__verb_noun=True)
    numbered = DatasetFacts(FPHA, ("action 0", "action 1"), ("milk",), (64, 36), None)
    with pytest.raises(InputError, match="2 actions of FPHA have 1 verb and 2 nouns in their name"):
        systems.make(config, numbered)

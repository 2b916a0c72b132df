"""A model that tells the object's box: its parts, its loss, what it needs, what cannot be."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import camera, systems
from htt_jax.data.records import RecordSource
from htt_jax.data.views import View, open_view
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.losses import object_box_terms
from htt_jax.models.htt.frames import ACTION_INPUTS, BOX
from htt_jax.models.htt.network import HTT
from htt_jax.runs.config import check_options
from htt_jax.support.errors import InputError
from htt_jax.systems.htt import chance
from tests import prepared, torch_files, train_runs
from tests.htt_jax.models.htt import test_queries
from tests.htt_jax.models.htt.test_network import drawn
from tests.htt_jax.systems import test_htt_training
from tests.htt_jax.training.test_warm_start import pretrained

FACTS = DatasetFacts(FPHA, ("open_milk", "close_milk", "put_salt"), ("milk", "salt"), (64, 36), "1")
WITH_BOX = (*ACTION_INPUTS, BOX)
SPEC = dataclasses.replace(FPHA, object_boxes=True, depth=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes") / "data"
    return prepared.write_dataset(folder, SPEC, {"train": [4, 3]})


def make(**options):
    config = train_runs.tiny_config("data", data__frames=test_htt_training.FRAMES, **options)
    check_options(config)
    return systems.make(config, FACTS)


def test_the_head_and_its_terms_are_there_only_if_asked_for():
    _, plain_terms, plain = test_htt_training.shapes_of(everything=False)
    system = make(model__object_box=True, model__action_inputs=WITH_BOX)
    variables = jax.eval_shape(system.random_variables, jax.random.key(0))
    batch = test_htt_training.training_batch()
    places = batch["valid"].shape
    batch["object_box"] = jax.ShapeDtypeStruct((*places, 9, 3), jnp.float32)
    batch["object_box_known"] = jax.ShapeDtypeStruct(places, bool)
    inputs = jax.eval_shape(system.training_inputs, jax.random.key(0), batch)
    terms = jax.eval_shape(system.loss, variables, inputs).terms
    assert set(terms) - plain_terms == {"object_box_2d", "object_box_depth"}
    params = variables["params"]
    assert set(params) - set(plain["params"]) == {"object_box_head", "box_to_action"}
    assert params["object_box_head"]["output"]["kernel"].shape == (test_htt_training.WIDTH, 27)
    assert params["box_to_action"]["kernel"].shape == (2 * 9, test_htt_training.WIDTH)
    assert params["action_input"]["kernel"].shape[0] == 4 * test_htt_training.WIDTH


def test_the_action_block_is_told_the_box_unless_it_is_dropped_with_the_object():
    model = HTT(num_objects=2, width=32, heads=4, object_box=True, action_inputs=WITH_BOX)
    rng = np.random.default_rng(0)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(np.float32))

    parts = draw(2, 3, 32), draw(2, 3, 21, 3), draw(2, 3, 2)
    dropped = jnp.array([[True, False], [False, True]])
    boxes = draw(2, 2, 3, 9, 3)
    boxes = jnp.concatenate([boxes, boxes.at[..., 2].add(1)[:1]])  # the last in depth alone
    params = {"action_token": draw(32)} | {
        name: {"kernel": draw(*shape), "bias": draw(32)}
        for name, shape in {
            "pose_to_action": (42, 32), "object_to_action": (2, 32), "box_to_action": (18, 32),
            "action_input": (128, 32),
        }.items()
    }  # fmt: skip

    @jax.jit
    def told(box):
        variables = {"params": params}
        return model.apply(variables, *parts, dropped, box, method="_action_tokens")

    found = [told(box) for box in boxes]
    assert (found[0][0] != found[1][0]).any(axis=-1).all()
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_model_that_is_told_the_box_but_not_the_class_can_lose_it():
    drawn = chance.dropped(jax.random.key(0), test_htt_training.BATCH, 0.999, ("image", BOX))
    np.testing.assert_array_equal(drawn, [[False, True]] * 4)


def test_the_loss_is_of_known_frames_in_the_moved_camera():
    intrinsics = np.array([[60, 0, 32], [0, 60, 18], [0, 0, 1]], np.float32)
    box = prepared.make_object_boxes(3)[None, [0, 1, 1]]
    known = np.array([[True, True, False]])
    batch = {
        "object_box": jnp.where(known[..., None, None], box, 0),
        "object_box_known": jnp.asarray(known),
        "valid": jnp.array([[True, False, True]]),
        "intrinsics": jnp.broadcast_to(intrinsics, (1, 3, 3, 3)),
    }
    pixels, depth = camera.project(box, intrinsics)
    off = np.asarray(pixels + np.array([3, 1], np.float32))
    off[:, 1:] = np.inf  # padding, and where it is not known

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def loss(pixels, batch):
        out = {"object_box_2d": pixels, "object_box_depth": depth - 0.25}
        terms = object_box_terms(out, batch)
        return terms["object_box_2d"], terms["object_box_depth"]

    (of_pixels, of_depth), slope = loss(off, batch)
    np.testing.assert_allclose([of_pixels, of_depth], [2, 0.25], 1e-4)
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[:, 1:], 0)
    moved = intrinsics + np.array([[0, 0, 3], [0, 0, 1], [0, 0, 0]], np.float32)
    batch["intrinsics"] = jnp.broadcast_to(moved, (1, 3, 3, 3))
    assert float(loss(off, batch)[0][0]) < 1e-4


def test_the_box_is_told_by_the_objects_query_too_where_there_are_queries():
    model = HTT(**test_queries.SIZES, spatial="queries", object_box=True)
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.normal(size=(1, 2, 36, 64, 3)).astype(np.float32))
    arrays = image, jnp.ones((1, 2), bool), jnp.broadcast_to(jnp.eye(3), (1, 2, 3, 3))

    variables = drawn(model, *arrays)

    @jax.jit
    def box(embedding):
        queries = variables["params"]["queries"] | {"object": {"embedding": embedding}}
        changed = variables | {"params": variables["params"] | {"queries": queries}}
        return model.apply(changed, *arrays, method="per_frame")["object_box_3d"]

    embedding = variables["params"]["queries"]["object"]["embedding"]
    assert (box(embedding) != box(-embedding)).any(axis=(2, 3)).all()


@pytest.mark.parametrize("seen_by", ["color", "depth"])
def test_the_reader_tells_boxes_in_the_space_of_its_camera(data, seen_by):
    source = open_view(data, "train", View(seen_by))
    reader = make(model__object_box=True, data__camera=seen_by).reader
    assert reader.channels == {"color": 3, "depth": 1}[seen_by]
    found = reader.labels(source, source[0], np.array([1, 3]))
    np.testing.assert_array_equal(found["object_box_known"], [True, False])
    np.testing.assert_array_equal(found["object_box"][0], source[0].object_boxes[1])
    np.testing.assert_array_equal(found["object_box"][1], 0)
    without = dataclasses.replace(source[0], object_boxes=None)
    assert not reader.labels(source, without, np.array([0]))["object_box_known"].any()


def test_datasets_without_boxes_cannot_teach_them(data, tmp_path):
    config = train_runs.tiny_config(data, model__object_box=True)
    systems.check_source(config, RecordSource(data, "train"))
    plain = prepared.write_dataset(tmp_path / "plain", FPHA, {"train": [3]})
    message = f"config.model.object_box=True: {plain} has no object boxes; prepare the dataset aga"
    with pytest.raises(InputError, match=re.escape(message)):
        systems.check_source(config, RecordSource(plain, "train"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model__action_inputs": WITH_BOX}, 'the action block cannot be told the "box" that conf'),
        ({"loss__object_box_2d": -1.0}, "config.loss.object_box_2d=-1.0 must be at least 0"),
        ({"model__action_inputs": ("image", "cube")}, "must name one or more of image, pose, obj"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        make(**options)
    assert "\n" not in str(refused.value)


def test_a_model_without_the_head_is_where_one_with_it_starts(tmp_path, capsys):
    path = torch_files.save(tmp_path / "htt.pth", torch_files.make())
    pretrained(path, object_box=True)
    assert capsys.readouterr().err == f"{path}, object_box_head: has none: it starts random\n"

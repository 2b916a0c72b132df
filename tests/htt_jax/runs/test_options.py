"""The table of options: what it makes, and how options that are none any more are honoured."""

import json

import pytest

from htt_jax import systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.losses import LossWeights
from htt_jax.models.htt.frames import pose_scales
from htt_jax.runs.config import check_options
from htt_jax.runs.directory import Run, from_json, start, to_json
from htt_jax.runs.options import former_options_of, get_config, options_of
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.training import loop
from tests import prepared, train_runs

FACTS = DatasetFacts(FPHA, ("open", "close"), ("milk",), (120, 68), "1234")


def test_every_option_has_a_name_of_its_own_a_help_and_a_default_that_may_be():
    options, former = options_of("htt"), former_options_of("htt")
    names = [option.name for option in options]
    assert len({*names, *(option.name for option in former)}) == len(options) + len(former)
    assert all(option.help for option in (*options, *former))
    config = get_config()
    assert set(trees.flatten(config.to_dict(), ".")) == set(names)
    check_options(config)
    assert systems.make(config, FACTS).loss_weights == LossWeights()


def test_an_option_without_a_default_takes_values_of_its_type_only():
    config = get_config()
    assert (config.data.directory, config.data.image_size) == (None, None)
    config.data.directory, config.data.image_size = "data/fpha", (480, 270)
    with pytest.raises(TypeError, match="image_size"):
        config.data.image_size = "large"


@pytest.mark.parametrize(
    ("width", "pixels", "metres"), [(480, 100.0, 1e-4), (120, 25.0, 4e-4), (240, 50.0, 2e-4)]
)
def test_the_scales_of_the_pose_follow_the_width_of_the_frames(width, pixels, metres):
    assert pose_scales(width) == {"pixel_scale": pixels, "depth_scale": metres}
    facts = DatasetFacts(FPHA, ("open",), ("milk",), (width, 68), None)
    model = systems.make(get_config(), facts).model
    assert (model.pixel_scale, model.depth_scale) == (pixels, metres)


def older(pixels, metres):
    """The description of a run that was begun when the scales were options."""
    content = json.loads(to_json(Run(get_config(), FACTS)))
    content["config"]["model"] |= {"pixel_scale": pixels, "depth_scale": metres}
    return json.dumps(content)


def test_an_older_run_with_the_scales_of_its_width_is_as_one_begun_now():
    run = from_json(older(25.0, 4e-4), "run.json")
    assert run.config.to_dict() == from_json(to_json(Run(get_config(), FACTS)), "").config.to_dict()


def test_an_older_run_keeps_scales_of_its_own():
    run = from_json(older(100.0, 1e-4), "run.json")
    model = systems.make(run.config, run.dataset).model
    assert (model.pixel_scale, model.depth_scale) == (100.0, 1e-4)
    with pytest.raises(InputError, match=r"model.pixel_scale must be a number, found 'x'"):
        from_json(older("x", 1e-4), "run.json")


def test_an_older_run_goes_on_with_scales_of_its_own(tmp_path):
    dataset = prepared.write_dataset(tmp_path / "data", FPHA, {"train": [9, 1], "test": [5]})
    config = train_runs.tiny_config(dataset, model__dtype="float32")
    before = train_runs.tiny_config(dataset, model__dtype="float32")
    before.model.pixel_scale = 100.0  # of frames 64 pixels wide
    start(tmp_path / "run", Run(before, FACTS))
    (tmp_path / "run/checkpoints/1").mkdir(parents=True)
    config.lock()
    loop._settle(config, tmp_path / "run")
    assert config.to_dict() == before.to_dict()

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from htt_jax import augment as aug
from htt_jax.support.errors import InputError
from tests.packed import pack, unpack

CLIPS, FRAMES, HEIGHT, WIDTH = 3, 2, 20, 28
ORDER_FROM = {  # the named operation comes first
    aug.BRIGHTNESS: [0, 1, 2, 3],
    aug.CONTRAST: [1, 0, 2, 3],
    aug.SATURATION: [2, 0, 1, 3],
    aug.HUE: [3, 0, 1, 2],
}
apply = jax.jit(aug.apply, static_argnames="reach")


def make_batch(seed=0):
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-0.1, 0.1, (CLIPS, FRAMES, 21, 3)).astype(np.float32)
    joints[..., 2] += 0.5
    intrinsics = np.array([[30, 0, WIDTH / 2], [0, 31, HEIGHT / 2], [0, 0, 1]], np.float32)
    return {
        "image": rng.integers(0, 256, (CLIPS, FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8),
        "valid": np.ones((CLIPS, FRAMES), bool),
        "intrinsics": np.tile(intrinsics, (CLIPS, FRAMES, 1, 1)),
        "joints_3d": joints,
        "action": np.arange(CLIPS, dtype=np.int32),
        "video": np.array([0, 0, 4], np.int32),
        "start": np.array([0, 3, 3], np.int32),
    }


def no_change(**changed):
    drawn = {
        "order": np.tile(np.arange(4), (CLIPS, 1)),
        "factors": np.ones((CLIPS, 4), np.float32),
        "hue": np.zeros(CLIPS, np.float32),
        "shift": np.zeros((CLIPS, 2), np.int32),
        "blur": np.zeros((CLIPS, FRAMES), np.float32),
    }
    return aug.Draw(**drawn | changed)


def pixels(result):
    """Back to 0..255."""
    return (unpack(result) + 0.5) * 255


def test_inputs_are_centred_pixels_and_projected_joints():
    batch = make_batch()
    inputs = aug.to_inputs(jax.device_put(pack(batch)))
    np.testing.assert_allclose(unpack(inputs), batch["image"] / 255 - 0.5, atol=1e-6)
    x, y, z = np.moveaxis(batch["joints_3d"], -1, 0)
    expected = np.stack([30 * x / z + WIDTH / 2, 31 * y / z + HEIGHT / 2], -1)
    np.testing.assert_allclose(inputs["joints_2d"], expected, atol=1e-4)
    np.testing.assert_array_equal(inputs["depth"], z)
    np.testing.assert_array_equal(inputs["action"], batch["action"])


def test_a_hand_without_annotation_has_finite_pixels():
    batch = make_batch()
    batch["joints_3d"][:] = 0
    inputs = aug.to_inputs(jax.device_put(pack(batch)))
    assert np.isfinite(inputs["joints_2d"]).all()
    np.testing.assert_array_equal(inputs["depth"], 0)


def test_drawing_nothing_changes_nothing():
    batch = make_batch()
    result = apply(jax.device_put(pack(batch)), no_change(), reach=0)
    np.testing.assert_allclose(pixels(result), batch["image"], atol=1e-4)


def test_without_blur_and_colour_pixels_are_only_moved():
    options = aug.AugmentOptions(**dict.fromkeys(("brightness", "contrast", "saturation"), 0.0),
                                 hue=0.0, blur=0.0, translation=3)  # fmt: skip
    batch = jax.device_put(pack(make_batch()))
    drawn = aug.draw(jax.random.key(0), batch["video"], batch["start"], FRAMES, options)
    moved = aug.augment(jax.random.key(0), batch, options)
    assert not options.repaints
    # Where colours change by factors of one, they are computed.
    np.testing.assert_array_equal(moved["image"], apply(batch, drawn, reach=3)["image"])


ENHANCERS = {
    aug.BRIGHTNESS: ImageEnhance.Brightness,
    aug.CONTRAST: ImageEnhance.Contrast,
    aug.SATURATION: ImageEnhance.Color,
}


def change_with_pil(image, operation, factor, turns):
    """As torchvision's functions for PIL images do it."""
    if operation != aug.HUE:
        return ENHANCERS[operation](image).enhance(float(factor))
    hue, saturation, value = image.convert("HSV").split()
    shifted = np.array(hue) + np.int32(255 * turns).astype(np.uint8)  # wraps round
    channels = (Image.fromarray(shifted), saturation, value)
    return Image.merge("HSV", channels).convert("RGB")


def random_factors(seed):
    factors = np.random.default_rng(seed).uniform(0.5, 1.5, (CLIPS, 4)).astype(np.float32)
    factors[0, :3] = [0.5, 1.2, 1.0]
    return np.round(factors * aug.FACTOR_STEPS) / aug.FACTOR_STEPS  # as drawn


def test_depths_are_centred_too_and_no_reading_is_far():
    depth = jnp.array([0, 300, aug.FARTHEST, 9000], jnp.uint16)
    np.testing.assert_allclose(aug.to_pixel_range(depth), [0.5, -0.3, 0.5, 0.5], atol=1e-6)


def test_a_depth_map_is_moved_and_nothing_else():
    batch = make_batch()
    batch["image"] = np.arange(CLIPS * FRAMES * HEIGHT * WIDTH, dtype=np.uint16).reshape(
        CLIPS, FRAMES, HEIGHT, WIDTH, 1
    )
    drawn = no_change(
        shift=np.array([[3, 1], [0, 0], [-2, 4]], np.int32),
        factors=np.full((CLIPS, 4), 1.5, np.float32),
        blur=np.full((CLIPS, FRAMES), 0.5, np.float32),
    )
    moved = unpack(apply(jax.device_put(pack(batch)), drawn, reach=4))
    plain = unpack(aug.to_inputs(jax.device_put(pack(batch))))
    np.testing.assert_array_equal(moved[0, :, 1:, 3:], plain[0, :, :-1, :-3])
    np.testing.assert_array_equal(moved[1], plain[1])
    assert (moved[2, :, :4] == 0.5).all()  # nothing is there


@pytest.mark.parametrize("operation", ENHANCERS)
def test_brightness_contrast_and_saturation_give_the_pixels_of_pil(operation):
    batch = make_batch()
    factors = np.ones((CLIPS, 4), np.float32)
    factors[:, operation] = random_factors(operation)[:, operation]
    drawn = no_change(order=np.tile(ORDER_FROM[operation], (CLIPS, 1)), factors=factors)
    result = pixels(apply(jax.device_put(pack(batch)), drawn, reach=0))
    for clip, frame in np.ndindex(CLIPS, FRAMES):
        image = Image.fromarray(batch["image"][clip, frame])
        expected = change_with_pil(image, operation, factors[clip, operation], 0)
        np.testing.assert_allclose(result[clip, frame], expected, atol=1e-4)


@pytest.mark.parametrize("turns", [-0.15, -0.002, 0.02, 0.11, 0.15])
def test_hue_gives_the_pixels_of_pil_but_for_few_that_are_one_hue_off(turns):
    batch = make_batch()
    batch["image"][0, 0, 0] = 77  # greys stay as they are
    batch["image"][0, 0, 1] = np.eye(3)[np.arange(WIDTH) % 3] * 255  # pure colours
    drawn = no_change(hue=np.full(CLIPS, turns, np.float32))
    result = pixels(apply(jax.device_put(pack(batch)), drawn, reach=0))
    expected = np.stack(
        [
            np.asarray(change_with_pil(Image.fromarray(image), aug.HUE, 1.0, turns), float)
            for image in batch["image"].reshape(-1, HEIGHT, WIDTH, 3)
        ]
    ).reshape(result.shape)
    error = np.abs(result - expected).max(axis=-1)
    assert (error > 0.1).mean() < 0.005
    assert error.max() <= 6.1  # of 255: a step of hue, of which the circle has 255
    np.testing.assert_allclose(result[0, 0, 0], 77, atol=1e-4)


def test_operations_in_a_row_give_the_pixels_of_pil_in_each_clips_own_order():
    batch = make_batch()
    factors = random_factors(0)
    turns = np.array([-0.1, 0.03, 0.14], np.float32)
    order = np.array([[0, 1, 2, 3], [1, 3, 0, 2], [3, 2, 0, 1]])
    drawn = no_change(order=order, factors=factors, hue=turns)
    result = pixels(apply(jax.device_put(pack(batch)), drawn, reach=0))
    errors = []
    for clip, frame in np.ndindex(CLIPS, FRAMES):
        image = Image.fromarray(batch["image"][clip, frame])
        for operation in order[clip]:
            image = change_with_pil(image, operation, factors[clip, operation], turns[clip])
        errors.append(np.abs(result[clip, frame] - np.asarray(image, float)))
    assert (np.max(errors, axis=-1) > 0.1).mean() < 0.01
    assert np.mean(errors) < 0.01


def test_blur_is_gaussian_and_each_frame_has_its_own():
    batch = make_batch()
    batch["image"][:] = 0
    batch["image"][:, :, 10, 14] = 255
    blur = np.tile(np.array([0.0, 0.5], np.float32), (CLIPS, 1))
    result = pixels(apply(jax.device_put(pack(batch)), no_change(blur=blur), reach=0))
    np.testing.assert_allclose(result[:, 0], batch["image"][:, 0], atol=1e-4)
    taps = np.exp(-0.5 * (np.arange(-3, 4) / 0.5) ** 2)
    taps /= taps.sum()
    expected = 255 * np.outer(taps, taps)
    assert np.abs(result[1, 1, 7:14, 11:18, 0] - expected).max() <= 0.6


def test_blur_keeps_an_even_image_even_up_to_its_border():
    batch = make_batch()
    batch["image"][:] = 200
    blur = np.full((CLIPS, FRAMES), 0.5, np.float32)
    result = pixels(apply(jax.device_put(pack(batch)), no_change(blur=blur), reach=0))
    np.testing.assert_allclose(result, 200, atol=1e-4)


def test_translation_moves_image_joints_and_principal_point_together():
    batch = make_batch()
    shift = np.array([[3, -2], [-5, 0], [0, 5]])
    still = aug.to_inputs(jax.device_put(pack(batch)))
    result = apply(jax.device_put(pack(batch)), no_change(shift=shift), reach=5)
    moved = pixels(result)
    np.testing.assert_allclose(moved[0, :, :-2, 3:], batch["image"][0, :, 2:, :-3], atol=1e-4)
    np.testing.assert_allclose(moved[0, :, -2:], 0, atol=1e-4)
    np.testing.assert_allclose(moved[0, :, :, :3], 0, atol=1e-4)
    np.testing.assert_allclose(moved[1, :, :, :-5], batch["image"][1, :, :, 5:], atol=1e-4)
    np.testing.assert_allclose(moved[2, :, 5:], batch["image"][2, :, :-5], atol=1e-4)
    by_clip = shift[:, None, None]
    np.testing.assert_allclose(result["joints_2d"], still["joints_2d"] + by_clip, atol=1e-4)
    np.testing.assert_allclose(
        np.asarray(result["intrinsics"])[..., :2, 2],
        batch["intrinsics"][..., :2, 2] + shift[:, None],
    )
    np.testing.assert_array_equal(result["joints_3d"], batch["joints_3d"])


def test_draws_stay_in_their_ranges_and_fill_them():
    video, start = jnp.divmod(jnp.arange(400, dtype=jnp.int32), 20)
    drawn = aug.draw(jax.random.key(0), video, start, 3, aug.AugmentOptions())
    drawn = jax.tree.map(np.asarray, drawn)
    np.testing.assert_array_equal(np.sort(drawn.order), np.tile(np.arange(4), (400, 1)))
    assert len(np.unique(drawn.order, axis=0)) == 24
    np.testing.assert_array_equal(drawn.factors * aug.FACTOR_STEPS % 1, 0)
    for values, low, high in (
        (drawn.factors[:, :3], 0.5, 1.5),
        (drawn.hue, -0.15, 0.15),
        (drawn.shift, -48, 48),
        (drawn.blur, 0, 0.5),
    ):
        edge = 0.03 * (high - low)
        assert low <= values.min() <= low + edge
        assert high - edge <= values.max() <= high


def test_a_clip_is_treated_alike_wherever_it_stands_in_the_batch():
    batch = make_batch()
    key = jax.random.key(3)
    options = aug.AugmentOptions(translation=6)
    run = jax.jit(aug.augment, static_argnums=2)
    whole = unpack(run(key, pack(batch), options))
    turned = run(key, pack({name: value[::-1] for name, value in batch.items()}), options)
    np.testing.assert_array_equal(whole, unpack(turned)[::-1])
    other = unpack(run(jax.random.key(4), pack(batch), options))
    assert np.abs(other - whole).mean() > 0.01


SHARDED = """
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", 4)
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from htt_jax import augment as aug
from tests.packed import pack
rng = np.random.default_rng(0)
batch = {
    "image": rng.integers(0, 256, (4, 2, 10, 12, 3), dtype=np.uint8),
    "intrinsics": np.tile(np.eye(3, dtype=np.float32), (4, 2, 1, 1)),
    "joints_3d": np.ones((4, 2, 21, 3), np.float32),
    "video": np.arange(4, dtype=np.int32),
    "start": np.arange(4, dtype=np.int32),
}
batch = pack(batch)
run = jax.jit(aug.augment, static_argnums=2)
options = aug.AugmentOptions(translation=4)
alone = run(jax.random.key(1), batch, options)
mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
sharded = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
program = run.lower(jax.random.key(1), sharded, options).compile()
assert "u8[8," not in program.as_text(), "whole images on one device"
together = program(jax.random.key(1), sharded)
for name in alone:
    np.testing.assert_allclose(alone[name], together[name], atol=1e-6, err_msg=name)
assert together["image"].sharding.spec[0] == "data"
"""


def test_sharding_the_frames_changes_nothing_and_moves_no_image():
    done = subprocess.run(
        [sys.executable, "-c", SHARDED], env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "wrong", [{"hue": 0.6}, {"blur": 1.0}, {"translation": -1}, {"brightness": 1.5}]
)
def test_ranges_out_of_bounds_are_refused(wrong):
    with pytest.raises(InputError, match=f"augmentation: {next(iter(wrong))} = "):
        aug.AugmentOptions(**wrong)

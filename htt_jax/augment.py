"""What happens to a batch on the device before the model.

Normalisation, and in training the augmentation of Sec. 3.4: blur, drawn for each frame; colour and
translation, drawn for each clip.

Pure JAX under jit. What is drawn for a clip comes from a key made from what it is (its video and
start), so that the result is the same however frames are spread over devices and processes, and no
image leaves its device. A depth map is translated only: it has no colour, and blurred it would
have depths between those of two surfaces.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped, UInt8, UInt16

from htt_jax import camera
from htt_jax.support.errors import InputError

Batch: TypeAlias = Mapping[str, Array]
Planes: TypeAlias = tuple[Array, Array, Array]
"""Red, green and blue, each (slots, height, width).

Kept apart because hue and saturation mix them in every pixel: with an axis of three innermost,
each of its elements would compute that mix again.
"""

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
COLOUR_OPERATIONS = 4
FACTOR_STEPS = 2**14
"""In a factor of one. Times a difference of pixels, such factors are exact in float32.

What is cut off is then the same on every device; a fused multiplication rounds another way.
"""

FARTHEST = 1500
"""Millimetres; beyond an arm's length there is no hand of one's own."""


@dataclasses.dataclass(frozen=True)
class AugmentOptions:
    """Ranges of the augmentation; the defaults are the paper's."""

    brightness: float = 0.5  # factor U(1 - b, 1 + b)
    contrast: float = 0.5  # factor, about the mean grey of the frame
    saturation: float = 0.5  # factor, towards the grey of the pixel
    hue: float = 0.15  # shift U(-h, h), in turns of the colour circle
    translation: int = 48  # whole pixels, -t..t along each axis
    blur: float = 0.5  # deviation U(0, b) of the Gaussian, in pixels

    @property
    def repaints(self) -> bool:
        """Whether pixels change in their places: blur or a colour operation has a range."""
        return any((self.brightness, self.contrast, self.saturation, self.hue, self.blur))

    def __post_init__(self) -> None:
        """Refuses what the operations cannot do.

        Raises:
            InputError: a range is negative or too wide.
        """
        limits = {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5, "blur": 0.5}
        for name, largest in ({"translation": float("inf")} | limits).items():
            value = getattr(self, name)
            if not 0 <= value <= largest:
                raise InputError(f"augmentation: {name} = {value}; expected 0 to {largest}")


def to_inputs(batch: Batch) -> dict[str, Array]:
    """What the model and the loss take.

    Args:
        batch: of the loader; image uint8 (slots, height, width, 3) or, of depth maps, uint16
            (slots, height, width, 1); joints_3d, intrinsics.

    Returns:
        The batch with `image` float32, see `to_pixel_range`, and with `joints_2d` (.., joints, 2)
        in pixels and `depth` (.., joints) in metres, projected from `joints_3d`.
    """
    joints_2d = projected(batch["joints_3d"], batch["intrinsics"])
    return {
        **batch,
        "image": to_pixel_range(batch["image"]),
        "joints_2d": joints_2d,
        "depth": batch["joints_3d"][..., 2],
    }


def projected(
    joints_3d: Float[Array, "*batch joints 3"], intrinsics: Float[Array, "*batch 3 3"]
) -> Float[Array, "*batch joints 2"]:
    """Pixels of joints in camera space; finite also of those that are not ahead of the camera."""
    # A hand that was not annotated lies in the camera's centre, which has no projection; anywhere
    # else its pixels are finite, until the loss masks them.
    ahead = joints_3d[..., 2:] > 0
    visible = jnp.where(ahead, joints_3d, jnp.array([0.0, 0.0, 1.0], jnp.float32))
    joints_2d, _ = camera.project(visible, intrinsics)
    return jnp.asarray(joints_2d)


def to_pixel_range(
    image: UInt8[Array, "*shape"] | UInt16[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """Pixels as the model takes them, -0.5 to 0.5: of colours `pixel / 255 - 0.5`.

    Of depths, millimetres, 0.5 is what is farther than `FARTHEST` or has no reading.
    """
    if image.dtype == jnp.uint8:
        return image.astype(jnp.float32) / 255 - 0.5
    depth = jnp.where(image > 0, image.astype(jnp.float32), FARTHEST)
    return jnp.minimum(depth, FARTHEST) / FARTHEST - 0.5


@jax.named_scope("augment")
def augment(
    key: PRNGKeyArray, batch: Batch, options: AugmentOptions | None = None
) -> dict[str, Array]:
    """As `to_inputs`, after random blur, colour and translation.

    The translation moves `joints_2d` and the principal point in `intrinsics`; `joints_3d` stays.

    Args:
        key: of the training step.
        batch: of the loader.
        options: the ranges to draw from; None for the paper's.
    """
    options = options or AugmentOptions()
    drawn = draw(key, batch["video"], batch["start"], batch["slot"].shape[1], options)
    return apply(batch, drawn, reach=options.translation, repaints=options.repaints)


class Draw(NamedTuple):
    """The random numbers of a batch."""

    order: Int[Array, "clips 4"]  # which colour operation comes at each place
    factors: Float[Array, "clips 4"]  # of brightness, contrast, saturation; unused for hue
    hue: Float[Array, " clips"]  # turns of the colour circle
    shift: Int[Array, "clips 2"]  # right, down; pixels
    blur: Float[Array, "clips frames"]  # deviation, pixels


def draw(
    key: PRNGKeyArray,
    video: Int[Array, " clips"],
    start: Int[Array, " clips"],
    frames: int,
    options: AugmentOptions,
) -> Draw:
    """Draws for every clip from a key of its own."""
    ranges = jnp.array([options.brightness, options.contrast, options.saturation, 0.0])
    reach = options.translation

    def one(video: Int[Array, ""], start: Int[Array, ""]) -> Draw:
        own_key = jax.random.fold_in(jax.random.fold_in(key, video), start)
        order, factors, hue, shift, blur = jax.random.split(own_key, 5)
        factor = 1 + ranges * jax.random.uniform(factors, (COLOUR_OPERATIONS,), minval=-1.0)
        return Draw(
            order=jax.random.permutation(order, COLOUR_OPERATIONS),
            factors=jnp.round(factor * FACTOR_STEPS) / FACTOR_STEPS,
            hue=options.hue * jax.random.uniform(hue, minval=-1.0),
            shift=jax.random.randint(shift, (2,), -reach, reach + 1),
            blur=options.blur * jax.random.uniform(blur, (frames,)),
        )

    return jax.vmap(one)(video, start)


def apply(batch: Batch, drawn: Draw, *, reach: int, repaints: bool = True) -> dict[str, Array]:
    """As `augment`, with given random numbers.

    Args:
        batch: of the loader.
        drawn: the numbers.
        reach: the largest translation among them.
        repaints: whether there is any blur or change of colour; else nothing is computed for it.
    """
    clip, image = batch["slot_clip"], batch["image"]
    if repaints and image.dtype == jnp.uint8:
        planes = _blur(image, drawn.blur[clip, batch["slot_frame"]])
        planes = _change_colour(planes, drawn.order[clip], drawn.factors[clip], drawn.hue[clip])
        image = jnp.stack(planes, axis=-1)
    image = _translate(image, drawn.shift[clip], reach)
    principal_point = batch["intrinsics"][..., :2, 2] + drawn.shift[:, None].astype(jnp.float32)
    intrinsics = batch["intrinsics"].at[..., :2, 2].set(principal_point)
    return to_inputs({**batch, "image": image, "intrinsics": intrinsics})


def _blur(image: UInt8[Array, "slots height width 3"], deviation: Float[Array, " slots"]) -> Planes:
    """Gaussian blur with three taps: at the largest deviation the next two weigh 0.0003 each."""
    beside = jnp.exp(-0.5 / jnp.square(jnp.maximum(deviation, 1e-3)))[:, None, None]
    centre = 1 / (1 + 2 * beside)
    beside = beside * centre
    padded = jnp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")

    def blurred(channel: int) -> Array:
        x = padded[..., channel].astype(jnp.float32)
        x = centre * x[:, 1:-1] + beside * (x[:, :-2] + x[:, 2:])
        x = centre * x[..., 1:-1] + beside * (x[..., :-2] + x[..., 2:])
        return jnp.round(x).astype(jnp.uint8)

    return blurred(0), blurred(1), blurred(2)


def _change_colour(
    planes: Planes,
    order: Int[Array, "slots 4"],
    factors: Float[Array, "slots 4"],
    hue: Float[Array, " slots"],
) -> Planes:
    """The four colour operations, in each frame's own order, with PIL's arithmetic.

    That is uint8 after each, which also keeps what goes through memory small. A scan and not a
    loop: unrolled, XLA may compute the earlier operations anew for later ones.
    """

    def operate(planes: Planes, operation: Int[Array, " slots"]) -> tuple[Planes, None]:
        factor = jnp.take_along_axis(factors, operation[:, None], axis=1)
        return _operate(planes, *map(_per_frame, (operation, factor, hue))), None

    return lax.scan(operate, planes, order.T)[0]


def _operate(planes: Planes, operation: Array, factor: Array, hue: Array) -> Planes:
    """Each frame's operation. All but hue are one: away from or towards a reference.

    Both forms are computed and one is chosen; a branch for each frame would need a loop over the
    frames, whose axis may be sharded.
    """
    red, green, blue = (plane.astype(jnp.float32) for plane in planes)
    grey = _grey(red, green, blue)
    reference = jnp.where(operation == CONTRAST, _rounded_mean(grey), grey)
    reference = jnp.where(operation == BRIGHTNESS, 0.0, reference)
    turned = _rotate_hue(red, green, blue, hue)
    new_red, new_green, new_blue = (
        _cut(jnp.where(operation == HUE, rotated, reference + factor * (x - reference)))
        for x, rotated in zip((red, green, blue), turned, strict=True)
    )
    return new_red, new_green, new_blue


def _grey(red: Array, green: Array, blue: Array) -> Array:
    """PIL's whole-numbered luminance; all sums are below 2^24, so float32 makes no error."""
    return jnp.floor((19595 * red + 38470 * green + 7471 * blue + 32768) / 65536)


def _rounded_mean(grey: Array) -> Array:
    """Of each frame, to whole numbers as PIL rounds; int32 holds the sum of 8 million pixels."""
    pixels = grey.shape[1] * grey.shape[2]
    total = grey.astype(jnp.int32).sum(axis=(1, 2), keepdims=True)
    return ((total + pixels // 2) // pixels).astype(jnp.float32)


def _rotate_hue(red: Array, green: Array, blue: Array, turns: Array) -> Planes:
    """Shifts PIL's HSV, whose hue and saturation are cut to 0..255; zero turns change nothing.

    Whole numbers below 2^24 are exact in float32, so pixels are PIL's. But for three in a thousand,
    whose hue is a whole number before the cut: PIL's own rounding may leave them the one below.
    """
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    hue = jnp.where(  # times chroma, in sixths of the circle
        value == red,
        jnp.where(green < blue, 6 * chroma, 0.0) + green - blue,
        jnp.where(value == green, 2 * chroma + blue - red, 4 * chroma + red - green),
    )
    # Half a unit more, for quotients that are whole; a grey has no hue, and none is needed.
    hue = jnp.floor((255 * hue + 0.5) / (6 * jnp.maximum(chroma, 1)))
    saturation = jnp.floor((255 * chroma + 0.5) / jnp.maximum(value, 1))
    hue = hue + jnp.trunc(255 * turns)
    hue = hue - 256 * jnp.floor(hue / 256)  # uint8 wraps round there, one beyond the whole circle

    def channel(offset: int, unchanged: Array) -> Array:
        k = 2 * hue + 85 * offset  # in 85ths of a sixth of the circle
        k = jnp.where(k < 510, k, k - 510)
        part = jnp.clip(jnp.minimum(k, 340 - k), 0, 85)
        rotated = jnp.floor(value - value * saturation * part / (255 * 85) + 0.5)
        return jnp.where(turns == 0, unchanged, rotated)

    return channel(5, red), channel(3, green), channel(1, blue)


def _translate(
    image: Shaped[Array, "slots height width channels"], shift: Int[Array, "slots 2"], reach: int
) -> Shaped[Array, "slots height width channels"]:
    """Each frame moved by its `shift` (right, down), at most `reach`; zeros come in."""
    padded = jnp.pad(image, ((0, 0), (reach, reach), (reach, reach), (0, 0)))

    def cut(frame: Array, start: Array) -> Array:
        return lax.dynamic_slice(frame, (start[1], start[0], 0), image.shape[1:])

    return jax.vmap(cut)(padded, reach - shift)


def _cut(x: Array) -> UInt8[Array, "..."]:
    """Without its fraction, as PIL makes pixels of its results."""
    return jnp.clip(x, 0, 255).astype(jnp.uint8)


def _per_frame(x: Array) -> Array:
    """A value for each frame, shaped to meet planes."""
    return x.reshape(-1, 1, 1)

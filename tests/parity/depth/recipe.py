"""Deterministic weights and inputs for the depth parity cases.

Every tensor follows from its name and a seed, so only the reference outputs are
stored.  NumPy is the only dependency; layouts are PyTorch's (see cases.json).
"""

import json
import pathlib
import zlib

import numpy as np

HERE = pathlib.Path(__file__).parent
FX, FY, U0, V0 = 475.065948, 475.065857, 315.944855, 245.287079


def _rng(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(key)))


# ------------------------------------------------------------------ weights
def fill(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Value of one weight; float32."""
    x = _rng(zlib.crc32(name.encode()), seed).standard_normal(shape, dtype=np.float32)
    if name.endswith("running_var"):
        return np.exp(np.float32(0.1) * x)
    if len(shape) == 4:  # convolution (out, in, height, width)
        gain = 0.2 if "res_branch.2" in name else 1.0
        return x * np.float32(gain * np.sqrt(2.0 / np.prod(shape[1:])))
    if len(shape) == 2:  # linear or LSTM (out, in)
        if "film" in name:
            return x * np.float32(0.15)
        gain = {"lin_relu_3": 0.5, "output_layers": 4.0, "attention": 2.0}
        g = next((v for k, v in gain.items() if k in name), 1.0)
        return x * np.float32(g / np.sqrt(shape[1]))
    if name.endswith("weight"):  # batch norm scale
        return 1 + np.float32(0.1) * x
    shift = 1.5 if "attention" in name else 0.0  # keeps the scores off the ReLU's zero
    return np.float32(shift) + np.float32(0.1) * x  # biases, running means


def weights(part: str, seed: int) -> dict[str, np.ndarray]:
    """``part``: "hpe", "film_hpe", "har" or "attention"."""
    keys = json.loads((HERE / "state_dict_keys.json").read_text())[part]
    return {k: fill(k, tuple(s), seed) for k, s in keys.items()}


# ------------------------------------------------------------------- inputs
def crops(n: int, seed: int) -> np.ndarray:
    """(n, 128, 128) normalised depth crops: 8x8 random blocks plus a little noise."""
    rng = _rng(seed, 1)
    coarse = rng.random((n, 8, 8), dtype=np.float32) - np.float32(0.5)
    noise = rng.random((n, 128, 128), dtype=np.float32) - np.float32(0.5)
    return coarse.repeat(16, 1).repeat(16, 2) + np.float32(0.2) * noise


def poses(n: int, seed: int) -> np.ndarray:
    """(n, 63) joint coordinates relative to the centre, in units of 100 mm."""
    x = np.float32(0.4) * _rng(seed, 2).standard_normal((n, 21, 3), dtype=np.float32)
    x[:, 3] = 0  # joint 3 is the centre
    return x.reshape(n, 63)


def probabilities(n: int, seed: int) -> np.ndarray:
    """(n, 45) action probabilities."""
    x = np.exp(2 * _rng(seed, 3).standard_normal((n, 45)))
    return (x / x.sum(1, keepdims=True)).astype(np.float32)


def padded(flat: np.ndarray, lengths: list[int]) -> np.ndarray:
    """Rows laid out video after video -> (videos, longest, ...), zeros behind the end."""
    out = np.zeros((len(lengths), max(lengths), *flat.shape[1:]), flat.dtype)
    start = 0
    for i, n in enumerate(lengths):
        out[i, :n] = flat[start : start + n]
        start += n
    return out


def videos(lengths: list[int], seed: int) -> dict[str, np.ndarray]:
    """Batch of videos: depth (B,T,128,128), pose (B,T,63), action (B,), valid (B,T)."""
    n = sum(lengths)
    return {
        "depth": padded(crops(n, seed), lengths),
        "pose": padded(poses(n, seed), lengths),
        "action": _rng(seed, 4).integers(0, 45, len(lengths)),
        "valid": padded(np.ones(n, np.int64), lengths),
    }


def raw_frame(seed: int, centres_mm: list[list[float]]) -> dict[str, np.ndarray]:
    """depth (480,640) uint16 in mm, 0 = no reading; pose (P,21,3) float32 in mm."""
    rng = _rng(seed, 5)
    depth = rng.integers(73, 1108, (480, 640)).astype(np.uint16)
    depth[rng.random((480, 640)) < 0.33] = 0
    pose = []
    for c in centres_mm:
        p = np.asarray(c) + rng.uniform(-1, 1, (21, 3)) * [70, 55, 45]
        p[3] = c
        pose.append(np.round(p, 4))
    return {"depth": depth, "pose": np.asarray(pose, np.float32)}


def pose_matrix(n: int, seed: int) -> np.ndarray:
    """(n, 63) poses with a falling spectrum and a mean, to fit the PCA on."""
    rng = _rng(seed, 6)
    mix = np.linalg.qr(rng.standard_normal((63, 63)))[0]
    x = rng.standard_normal((n, 63)) * 0.9 ** np.arange(63) @ mix
    return (x + 0.3 * rng.standard_normal(63)).astype(np.float32)


def predictions(lengths: list[list[int]], seed: int) -> list[dict[str, np.ndarray]]:
    """Per batch: predicted and true poses (frames, 63), log-probabilities (B,45), action (B,)."""
    out = []
    for i, ls in enumerate(lengths):
        rng = _rng(seed, 7, i)
        true = poses(sum(ls), seed + 100 * (i + 1))
        x = 2 * rng.standard_normal((len(ls), 45))
        x -= np.log(np.exp(x).sum(1, keepdims=True))
        out.append(
            {
                "true": true,
                "pred": true
                + np.float32(0.1 + 0.1 * i) * rng.standard_normal(true.shape, dtype=np.float32),
                "log_prob": x.astype(np.float32),
                "action": np.argsort(-x, 1)[np.arange(len(ls)), np.arange(len(ls)) % 4],
            }
        )
    return out


def gradients(steps: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Start (n,) and gradients (steps, n), float64; the gradients shrink and grow between steps."""
    rng = _rng(seed, 8)
    start = 0.01 * rng.standard_normal(n)
    size = np.array([1.0, 0.02, 0.5, 0.003, 0.003, 1e-6, 0.1, 1e-6])[np.arange(steps) % 8]
    return start, 1e-3 * size[:, None] * rng.standard_normal((steps, n))

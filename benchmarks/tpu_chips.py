"""TPU chips as their maker describes them, and topologies of them to compile for without any.

Sources, read in November 2026: https://docs.cloud.google.com/tpu/docs/v4, /v5e, /v5p and /v6e.
Memory, its rate and peak compute stand there for each chip. What a chip sends to the others: of
v5e and v6e half of the "bidirectional inter-chip interconnect bandwidth" (400 and 800 GB/s), of
v5p the "4800 Gbps", of v4 its share of the "all-reduce bandwidth per Pod" (1.1 PB/s of 4096
chips), which for v5e and v6e comes to the same half.
"""

import dataclasses
import os
import re
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from htt_jax.support.errors import InputError


@dataclasses.dataclass(frozen=True)
class Chip:
    """Public figures of one chip.

    Attributes:
        accelerator: libtpu's name of a small slice of them.
        memory: bytes.
        memory_rate: bytes a second.
        flops: a second, of matrix products in bfloat16.
        network_rate: bytes a second that it sends to other chips of its slice.
        host: chips of a host along each axis of a slice.
        config: libtpu's name of how its cores are used: those of v4 as one device.
    """

    accelerator: str
    memory: float
    memory_rate: float
    flops: float
    network_rate: float
    host: tuple[int, int, int] = (2, 2, 1)
    config: str = "default"


CHIPS = {
    "v4": Chip("v4-8", 32e9, 1200e9, 275e12, 268e9, config="megacore"),
    "v5e": Chip("v5litepod-4", 16e9, 819e9, 197e12, 200e9),
    "v5p": Chip("v5p-8", 95e9, 2765e9, 459e12, 600e9),
    "v6e": Chip("v6e-4", 32e9, 1638e9, 918e12, 400e9),
}
_EXAMPLES = "v5e:1x1, v5e:4x4, v4:2x2x1, v5p:2x2x2 or v6e:2x4"


@dataclasses.dataclass(frozen=True)
class Topology:
    """Chips of one kind and how they lie; `v5e:4x4`.

    Attributes:
        name: as given.
        chip: its figures.
        shape: chips along each axis.
    """

    name: str
    chip: Chip
    shape: tuple[int, ...]

    @property
    def chips(self) -> int:
        """Of all hosts."""
        return int(np.prod(self.shape))

    @property
    def hosts(self) -> int:
        """With four chips each, or as many as there are."""
        return int(np.prod([-(-n // m) for n, m in zip(self._shape3, self.chip.host, strict=True)]))

    @property
    def _shape3(self) -> tuple[int, ...]:
        return (*self.shape, *(1,) * (3 - len(self.shape)))

    def mesh(self, fsdp: int) -> Mesh:
        """The mesh of training (see `htt_jax.devices.sharding.make_mesh`) on chips not there.

        Raises:
            InputError: libtpu is missing, or knows no such topology.
        """
        devices = np.array(self._devices()).reshape(-1, fsdp)
        return Mesh(devices, ("data", "fsdp"), axis_types=(AxisType.Auto, AxisType.Auto))

    def _devices(self) -> list[Any]:
        # Of a machine with TPUs libtpu would ask whose they are, and of one without wait in vain.
        os.environ["TPU_SKIP_MDS_QUERY"] = "1"
        os.environ["TPU_ACCELERATOR_TYPE"] = self.chip.accelerator
        os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
        os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"  # to compile only, there is nothing to share
        jax.config.update("jax_platforms", "cpu")
        bounds = [min(n, m) for n, m in zip(self._shape3, self.chip.host, strict=True)]
        try:
            found = topologies.get_topology_desc(
                platform="tpu",
                topology_name=self.name,
                chip_config_name=self.chip.config,
                chips_per_host_bounds=bounds,
            )
        except RuntimeError as error:
            reason = (str(error) or "libtpu cannot be used").splitlines()[0]
            if "not installed" in reason:
                reason = "libtpu is not installed: pip install -e '.[tpu]'"
            raise InputError(f"--topology={self.name}: {reason}") from error
        return found.devices


def topology(text: str) -> Topology:
    """Of a name such as `v5e:4x4`.

    Raises:
        InputError: it is none.
    """
    kind, _, shape = text.partition(":")
    if kind not in CHIPS or not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,2}", shape):
        raise InputError(
            f"--topology={text!r} must be one of {', '.join(CHIPS)}, a colon and the chips along "
            f"each axis, such as {_EXAMPLES}"
        )
    return Topology(text, CHIPS[kind], tuple(map(int, shape.split("x"))))

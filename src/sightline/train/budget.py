"""What a device can bear: the memory target of a plan, and how long a schedule makes sense."""

import dataclasses
from typing import Self

import torch

_GB = 2**30
# nnU-Net's target whatever the GPU: larger patches did not pay for their time.
_GPU_TARGET_GB = 8.0
# Two patches of about 56 voxels cubed and 16 channels on two cores: half a second a step.
_CPU_TARGET_GB_A_CORE = 0.15
_CPU_VOXELS_A_CORE = 24 * 56**3
_NNUNET_STEPS = 250_000


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How much network and time a device can bear.

    Attributes:
        device: for people.
        memory_gb: in nnU-Net's measure, by which 8 is two patches of 128 voxels cubed.
        base_channels: features of the finest level.
        max_channels: features of the coarsest levels at most.
        most_voxels: of the median volume on the network's grid, so that applying a model takes
            seconds, not minutes; None for no limit.
        looks: so often a schedule sees every example; None for nnU-Net's 250,000 steps.
    """

    device: str
    memory_gb: float
    base_channels: int
    max_channels: int
    most_voxels: int | None
    looks: int | None

    @classmethod
    def of(cls, device: torch.device, threads: int) -> Self:
        """Look at a device."""
        if device.type != "cuda":
            return cls.of_cpu(threads)
        facts = torch.cuda.get_device_properties(device)
        return cls(
            device=facts.name,
            memory_gb=min(_GPU_TARGET_GB, 0.8 * facts.total_memory / _GB),
            base_channels=32,
            max_channels=320,
            most_voxels=None,
            looks=None,
        )

    @classmethod
    def of_cpu(cls, threads: int) -> Self:
        """Return what so many processor cores can bear."""
        return cls(
            device=f"{threads} processor cores",
            memory_gb=min(_GPU_TARGET_GB, _CPU_TARGET_GB_A_CORE * threads),
            base_channels=16,
            max_channels=256,
            most_voxels=_CPU_VOXELS_A_CORE * threads,
            looks=30,
        )

    def steps(self, *, examples: int, batch: int) -> int:
        """Return the length of a schedule."""
        if self.looks is None:
            return _NNUNET_STEPS
        return min(5000, max(500, -(-examples * self.looks // batch)))

"""What each step of a run looks at: drawn from a counter, not from a stream.

The generator of a draw is keyed by (seed, step, place in the batch), so any step can be drawn
without those before it: reads look ahead, threads change nothing, resuming is a number.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.feed.foreground import ForegroundIndex
from sightline.prepare.grid import IndexMap, NetworkGrid
from sightline.values.plan import Triple
from sightline.values.recipe import MIRROR_AXES, Training

Bounds: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

_ORDER_KEY = 2**63
_MIRROR_SHARE = 0.5
# Each change of appearance is made to this share of the patches.
_APPEARANCE_SHARE = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """How one patch is made to look; applied to scaled values.

    Attributes:
        noise: standard deviation of what is added.
        gamma: exponent on values stretched to 0..1.
        contrast: factor about the mean.
        brightness: added.
    """

    noise: float
    gamma: float
    contrast: float
    brightness: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """One patch of one step.

    Attributes:
        example: index into the examples.
        to_source: from indices of the patch to indices of the stored volume.
        bounds: start and stop along each axis of the part of the volume that the patch touches.
    """

    example: int
    to_source: IndexMap
    bounds: Bounds
    appearance: Appearance


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sampler:
    """Draws the patches of a run."""

    grids: Sequence[NetworkGrid]
    foreground: Sequence[ForegroundIndex]
    patch: Triple
    training: Training

    def draw(self, step: int, place: int) -> Draw:
        """Draw patch `place` of the batch of `step`."""
        number = step * self.training.batch + place
        count = len(self.grids)
        example = int(_order(self.training.seed, number // count, count)[number % count])
        random = _generator(self.training.seed, number)
        grid = self.grids[example]
        to_source = _from_grid(grid.to_source(), self._centre(example, random), self._bend(random))
        to_source[:, 3] -= to_source[:, :3] @ ((np.array(self.patch) - 1) / 2)
        if _keeps_voxels(to_source):
            to_source = np.rint(to_source)
        return Draw(
            example=example,
            to_source=to_source,
            bounds=_reach(to_source, self.patch, grid),
            appearance=self._appearance(random),
        )

    def _centre(self, example: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Choose the patch's centre on the network's grid."""
        grid, places = self.grids[example], self.foreground[example].places
        is_on_class = random.random() < self.training.foreground_share
        within = random.random(3)
        chosen, voxel = random.random(), random.random()
        free = np.array(grid.shape) - np.array(self.patch)
        low = (np.array(self.patch) - 1) / 2 + np.minimum(free, 0)
        high = low + np.abs(free)
        if not (is_on_class and places):
            return np.asarray(low + within * (high - low))
        of_class = places[int(chosen * len(places))]
        source = of_class[int(voxel * len(of_class))]
        matrix = grid.to_source()
        there = np.linalg.solve(matrix[:, :3], source - matrix[:, 3])
        jitter = (within - 0.5) * np.array(self.patch) / 4
        return np.asarray((there + jitter).clip(low, high))

    def _bend(self, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Choose the (3, 3) rotation, scaling and mirroring of a patch."""
        training = self.training
        bend = np.eye(3)
        is_turned, is_scaled = random.random(2) < training.affine_share
        axis, angle = random.normal(size=3), random.uniform(-1, 1)
        scale = random.uniform(-1, 1)
        if is_turned:
            bend = rotation(axis, np.deg2rad(training.rotate_degrees) * angle)
        if is_scaled:
            bend *= (1 + training.scale_share) ** scale
        mirrored = random.random(3) < _MIRROR_SHARE
        for name in training.mirror:
            if mirrored[MIRROR_AXES[name]]:
                bend[:, MIRROR_AXES[name]] *= -1
        return bend

    def _appearance(self, random: np.random.Generator) -> Appearance:
        strength = self.training.appearance
        is_on = random.random(4) < _APPEARANCE_SHARE
        noise, gamma, contrast, brightness = random.uniform(-1, 1, size=4)
        return Appearance(
            noise=float(abs(noise) * 0.15 * strength * is_on[0]),
            gamma=float(1.5 ** (gamma * strength * is_on[1])),
            contrast=float(1.3 ** (contrast * strength * is_on[2])),
            brightness=float(brightness * 0.1 * strength * is_on[3]),
        )


def rotation(axis: npt.NDArray[np.float64], angle: float) -> npt.NDArray[np.float64]:
    """Return the (3, 3) rotation about `axis` by `angle` radians (Rodrigues)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def is_straight(index_map: IndexMap) -> bool:
    """Tell whether axes are swapped, mirrored, scaled and shifted at most, but not turned."""
    return bool((np.count_nonzero(index_map[:, :3], axis=0) == 1).all())


def _keeps_voxels(index_map: IndexMap) -> bool:
    """Tell whether voxels fall on voxels, up to a shift."""
    sizes = np.abs(index_map[:, :3])
    return is_straight(index_map) and bool((sizes[sizes > 0] == 1).all())


def noise_seed(seed: int, step: int) -> int:
    """Return the seed of a torch generator for the noise of one step."""
    return int(_generator(seed, step).integers(2**62))


def _generator(seed: int, number: int) -> np.random.Generator:
    # Typed, because numpy makes a list of large and small integers one of rounded floats.
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], dtype=np.uint64)))


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """Return the order of the examples in one epoch: each comes once."""
    return _generator(seed, _ORDER_KEY + epoch).permutation(count)


def _from_grid(
    grid_to_source: IndexMap, centre: npt.NDArray[np.float64], bend: npt.NDArray[np.float64]
) -> IndexMap:
    """Map offsets from a patch's centre to indices of the volume."""
    matrix = np.empty((3, 4))
    matrix[:, :3] = grid_to_source[:, :3] @ bend
    matrix[:, 3] = grid_to_source[:, :3] @ centre + grid_to_source[:, 3]
    return matrix


def _reach(to_source: IndexMap, patch: Triple, grid: NetworkGrid) -> Bounds:
    """Find the box of the volume that linear interpolation of a patch touches."""
    half = (np.array(patch) - 1) / 2
    middle = to_source[:, :3] @ half + to_source[:, 3]
    extent = np.abs(to_source[:, :3]) @ half
    size = np.empty(3)
    size[list(grid.axes)] = grid.source_shape
    # A rounding step keeps indices such as 3.9999999 from reaching one voxel too far.
    start = np.floor(middle - extent + 1e-6).clip(0, size - 1).astype(int)
    stop = (np.ceil(middle + extent - 1e-6) + 1).clip(start + 1, size).astype(int)
    (a, b), (c, d), (e, f) = ((int(x), int(y)) for x, y in zip(start, stop, strict=True))
    return ((a, b), (c, d), (e, f))

"""What each step of a run looks at: drawn from a counter, not from a stream.

The generator of a batch is keyed by (seed, step), so any step can be drawn without those before
it: reads look ahead, threads change nothing, resuming is a number.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightline.feed.foreground import ForegroundIndex
from sightline.prepare.grid import IndexMap, NetworkGrid
from sightline.store.boxes import Bounds
from sightline.values.plan import Triple
from sightline.values.recipe import MIRROR_AXES, Training

_ORDER_KEY, _STEP_KEY = 2**63, 2**62
_MIRROR_SHARE = 0.5
# A patch with an edge so many times another's is of thick slices: it is not turned out of plane,
# which would mix voxels of a millimetre with voxels of several (10.1038/s41592-020-01008-z).
_FLAT = 3
# Points along each axis between which an elastic deformation is smooth.
_CONTROL_POINTS = 7


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """How one patch is made to look; applied to scaled values, in this order.

    Attributes:
        noise: standard deviation of what is added.
        blur: standard deviation of a Gaussian in voxels; 0 for none.
        brightness: added.
        contrast: factor about the mean.
        low_resolution: share of the voxels along each axis that is left, then filled in.
        gamma: exponent on values stretched to 0..1.
        is_inverted: whether gamma brightens and darkens the other way round.
    """

    noise: float = 0.0
    blur: float = 0.0
    brightness: float = 0.0
    contrast: float = 1.0
    low_resolution: float = 1.0
    gamma: float = 1.0
    is_inverted: bool = False


# To what share of the patches each change is made: nnU-Net's, with its probability a channel.
_SHARES = {
    "noise": 0.1,
    "blur": 0.1,
    "brightness": 0.15,
    "contrast": 0.15,
    "low_resolution": 0.125,
    "gamma": 0.3,
    "is_inverted": 0.1,
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """One patch of one step.

    Attributes:
        example: index into the examples.
        to_source: from indices of the patch to indices of the stored volume.
        bounds: start and stop along each axis of the part of the volume that the patch touches.
        is_on_voxels: whether voxels of the patch are voxels of the volume: nothing is mixed.
        elastic: (3, n, n, n) displacements of the patch's indices, smooth between these points;
            None where it is not deformed.
        noise_seed: of the noise that is added.
    """

    example: int
    to_source: IndexMap
    bounds: Bounds
    appearance: Appearance
    is_on_voxels: bool = False
    elastic: npt.NDArray[np.float32] | None = None
    noise_seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sampler:
    """Draws the patches of a run, those of a batch together.

    One by one they took longer than reading a small image.
    """

    grids: Sequence[NetworkGrid]
    foreground: Sequence[ForegroundIndex]
    patch: Triple
    training: Training

    def draw(self, step: int) -> list[Draw]:
        """Draw the patches of the batch of `step`."""
        random = _generator(self.training.seed, step)
        chosen = self.examples(step)
        grids = [self.grids[example] for example in chosen]
        maps = np.array([_to_source(grid) for grid in grids])
        centres = self._centres(chosen, maps, random)
        to_source = np.concatenate(
            [maps[:, :, :3] @ self._bends(random), maps[:, :, :3] @ centres + maps[:, :, 3:]],
            axis=2,
        )
        to_source[:, :, 3:] -= to_source[:, :, :3] @ self._middle
        elastic = self._elastic(random)
        is_on_voxels = keep_voxels(to_source) & [each is None for each in elastic]
        to_source[is_on_voxels] = np.rint(to_source[is_on_voxels])
        if self.patch[0] == 1:
            # A slice is a slice of the volume, not a mixture of two.
            for one, grid in zip(to_source, grids, strict=True):
                if grid.ratio[0] == 1:
                    one[grid.axes[0], 3] = np.rint(one[grid.axes[0], 3])
        margins = [np.zeros(3) if e is None else np.abs(e).max(axis=(1, 2, 3)) for e in elastic]
        bounds = self._reach(to_source, grids, margins=np.array(margins))
        looks = self._appearances(random)
        seeds = random.integers(2**62, size=len(chosen)).tolist()
        return [
            Draw(
                example=chosen[place],
                to_source=to_source[place],
                bounds=bounds[place],
                appearance=looks[place],
                is_on_voxels=bool(is_on_voxels[place]),
                elastic=elastic[place],
                noise_seed=seeds[place],
            )
            for place in range(len(chosen))
        ]

    @property
    def _middle(self) -> npt.NDArray[np.float64]:
        """The (3, 1) indices of a patch's centre."""
        return (np.array(self.patch)[:, None] - 1) / 2

    def examples(self, step: int) -> list[int]:
        """Return whose turn it is in the batch of `step`."""
        batch, count = self.training.batch, len(self.grids)
        return [
            int(_order(self.training.seed, number // count, count)[number % count])
            for number in range(step * batch, (step + 1) * batch)
        ]

    def _centres(
        self, chosen: Sequence[int], maps: npt.NDArray[np.float64], random: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Choose the patches' centres on the network's grids: (batch, 3, 1)."""
        is_on_class = random.random(len(chosen)) < self.training.foreground_share
        within = random.random((len(chosen), 3))
        picked = random.random((len(chosen), 2))
        patch = np.array(self.patch)
        free = np.array([self.grids[example].shape for example in chosen]) - patch
        low = (patch - 1) / 2 + np.minimum(free, 0)
        high = low + np.abs(free)
        centres = low + within * (high - low)
        for place in np.flatnonzero(is_on_class).tolist():
            places = self.foreground[chosen[place]].places
            if not places:
                continue
            of_class = places[int(picked[place, 0] * len(places))]
            source = of_class[int(picked[place, 1] * len(of_class))]
            there = np.linalg.solve(maps[place, :, :3], source - maps[place, :, 3])
            jitter = (within[place] - 0.5) * patch / 4
            centres[place] = (there + jitter).clip(low[place], high[place])
        return np.asarray(centres[:, :, None])

    def _bends(self, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Choose how patches are turned, scaled, sheared and mirrored: (batch, 3, 3)."""
        training, batch = self.training, self.training.batch
        is_turned, is_scaled, is_sheared = random.random((3, batch)) < training.affine_share
        axes, angles = random.normal(size=(batch, 3)), random.uniform(-1, 1, batch)
        scales, shear = random.uniform(-1, 1, batch), random.uniform(-1, 1, (batch, 3, 3))
        if self._is_flat:
            axes[:], shear[:, 0], shear[:, :, 0] = [1.0, 0.0, 0.0], 0, 0
        bends = rotations(axes, np.deg2rad(training.rotate_degrees) * angles * is_turned)
        if training.shear:
            sheared = np.eye(3) + training.shear * np.triu(shear, 1)
            bends = np.where(is_sheared[:, None, None], bends @ sheared, bends)
        bends *= ((1 + training.scale_share) ** (scales * is_scaled))[:, None, None]
        mirrored = random.random((batch, 3)) < _MIRROR_SHARE
        for name in training.mirror:
            axis = MIRROR_AXES[name]
            bends[mirrored[:, axis], :, axis] *= -1
        return bends

    def _elastic(self, random: np.random.Generator) -> list[npt.NDArray[np.float32] | None]:
        """Choose how patches are deformed; nothing is drawn where the recipe deforms none."""
        training, batch = self.training, self.training.batch
        if not training.elastic:
            return [None] * batch
        points = [1 if length == 1 else _CONTROL_POINTS for length in self.patch]
        is_bent = random.random(batch) < training.affine_share
        drawn = random.uniform(-1, 1, size=(batch, 3, *points)).astype(np.float32)
        if self._is_flat:
            drawn[:, 0] = 0
        drawn *= (training.elastic * np.array(self.patch, np.float32))[:, None, None, None]
        return [moved if bent else None for moved, bent in zip(drawn, is_bent, strict=True)]

    @property
    def _is_flat(self) -> bool:
        return max(self.patch) >= _FLAT * self.patch[0]

    def _appearances(self, random: np.random.Generator) -> list[Appearance]:
        strength, batch = self.training.appearance, self.training.batch
        on = random.random((batch, len(_SHARES))) < list(_SHARES.values())
        drawn = random.uniform(-1, 1, size=(batch, 6))
        if not strength:
            return [Appearance()] * batch
        return [
            _appearance(dict(zip(_SHARES, is_on, strict=True)), numbers, strength)
            for is_on, numbers in zip(on.tolist(), drawn.tolist(), strict=True)
        ]

    def _reach(
        self,
        to_source: npt.NDArray[np.float64],
        grids: Sequence[NetworkGrid],
        *,
        margins: npt.NDArray[np.float64],
    ) -> list[Bounds]:
        """Find the boxes of the volumes that linear interpolation of the patches touches.

        `margins` are how far the patches' indices may be moved along their own axes.
        """
        middle = (to_source[:, :, :3] @ self._middle + to_source[:, :, 3:])[:, :, 0]
        reach = self._middle + margins[:, :, None]
        extent = (np.abs(to_source[:, :, :3]) @ reach)[:, :, 0]
        size = np.array([_size(grid) for grid in grids])
        # A rounding step keeps indices such as 3.9999999 from reaching one voxel too far.
        start = np.floor(middle - extent + 1e-6).clip(0, size - 1).astype(int)
        stop = (np.ceil(middle + extent - 1e-6) + 1).clip(start + 1, size).astype(int)
        return [
            ((a, b), (c, d), (e, f))
            for (a, c, e), (b, d, f) in zip(start.tolist(), stop.tolist(), strict=True)
        ]


def _appearance(is_on: dict[str, bool], drawn: Sequence[float], strength: float) -> Appearance:
    """Choose how one patch looks, from numbers between -1 and 1."""
    noise, blur, brightness, contrast, low, gamma = (each * strength for each in drawn)
    return Appearance(
        noise=abs(noise) * 0.15 * is_on["noise"],
        blur=(0.75 * strength + 0.25 * blur) * is_on["blur"],
        brightness=brightness * 0.1 * is_on["brightness"],
        contrast=1.3 ** (contrast * is_on["contrast"]),
        low_resolution=0.5 ** ((0.5 * strength + 0.5 * low) * is_on["low_resolution"]),
        gamma=1.5 ** (gamma * (is_on["gamma"] or is_on["is_inverted"])),
        is_inverted=is_on["is_inverted"],
    )


@functools.lru_cache(maxsize=4096)
def _to_source(grid: NetworkGrid) -> IndexMap:
    return grid.to_source()


@functools.lru_cache(maxsize=4096)
def _size(grid: NetworkGrid) -> Triple:
    """Return the shape of the volume, in its own order."""
    size = [0, 0, 0]
    for axis, length in zip(grid.axes, grid.source_shape, strict=True):
        size[axis] = length
    return (size[0], size[1], size[2])


def rotations(
    axes: npt.NDArray[np.float64], angles: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the (count, 3, 3) rotations about `axes` by `angles` radians (Rodrigues)."""
    x, y, z = (axes / np.linalg.norm(axes, axis=1, keepdims=True)).T
    zero = np.zeros_like(x)
    cross = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    return np.asarray(np.eye(3) + sine * cross + (1 - cosine) * cross @ cross)


def keep_voxels(index_maps: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell of (count, 3, 4) maps whether voxels fall on voxels, up to a shift."""
    sizes = np.abs(index_maps[:, :, :3])
    is_straight = (np.count_nonzero(sizes, axis=1) == 1).all(axis=1)
    return np.asarray(is_straight & ((sizes == 0) | (sizes == 1)).all(axis=(1, 2)))


def is_straight(index_map: IndexMap) -> bool:
    """Tell whether axes are swapped, mirrored, scaled and shifted at most, but not turned."""
    return bool((np.count_nonzero(index_map[:, :3], axis=0) == 1).all())


def step_seed(seed: int, step: int) -> int:
    """Return the seed of what is drawn within the network at one step, such as dropout."""
    return int(_generator(seed, _STEP_KEY + step).integers(2**62))


def _generator(seed: int, number: int) -> np.random.Generator:
    # Typed, because numpy makes a list of large and small integers one of rounded floats.
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], dtype=np.uint64)))


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """Return the order of the examples in one epoch: each comes once."""
    return _generator(seed, _ORDER_KEY + epoch).permutation(count)

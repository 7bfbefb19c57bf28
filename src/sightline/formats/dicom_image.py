"""Image series of CT, MR and PET to volumes: single-frame, enhanced multi-frame, mosaics.

Uncompressed little endian pixels, the common case, are copied straight into the volume. What
becomes a volume, what is split and what is refused: docs/concepts/series-and-volumes.md.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sightline.formats.dicom_frame import Frame, Rescale
from sightline.formats.dicom_grid import unsound
from sightline.formats.dicom_instance import Instance, open_instance
from sightline.formats.dicom_stacks import Refusal, Stack, split
from sightline.values.arrays import Voxels
from sightline.values.geometry import Geometry
from sightline.values.volume import SliceRescale, Volume

_MODALITY, _SERIES_UID, _FRAME_OF_REFERENCE = 0x00080060, 0x0020000E, 0x00200052
_UNITS = 0x00541001
# Some 2 GiB of 16-bit voxels; a header may claim 2^47.
_MAX_VOXELS = 1 << 30
# Names of stacks that a message lists before it only counts.
_MOST_NAMED = 4


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesGrid:
    """The grid of one stack of a series.

    Attributes:
        name: what sets the stack apart; empty where the series is one stack.
        frames: of each slice, the file and the frame in it, both counted from 0.
    """

    name: str
    geometry: Geometry
    frames: tuple[tuple[int, int], ...]

    @property
    def files(self) -> tuple[int, ...]:
        """The files that the stack is made of, in the order of its slices."""
        return tuple(dict.fromkeys(file for file, _ in self.frames))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesVolumes:
    """What one series becomes.

    Attributes:
        grids: one a volume, in the same order; all have names where there is more than one.
        refused: frames of the series that are part of no volume, each with the reason.
    """

    volumes: tuple[Volume, ...]
    grids: tuple[SeriesGrid, ...]
    refused: tuple[Refusal, ...]


def read_volume(files: Sequence[Path]) -> Volume:
    """Read the files of a series that is one volume, in the acquired integer type.

    Slices are ordered along the normal of the planes (row direction x column direction).

    Raises:
        UnsoundSeries: The files are no images, make no regular grid, or make several.
        NotDicom: A file is broken.
        OSError: A file cannot be read.
    """
    read = _read(files)
    _check_one(read.grids, read.refused)
    return read.volumes()[0]


def read_volumes(files: Sequence[Path]) -> SeriesVolumes:
    """Read the files of one series as the volumes that it makes.

    Raises:
        UnsoundSeries: The files are no images, or no part of them makes a regular grid.
        NotDicom: A file is broken.
        OSError: A file cannot be read.
    """
    return decode_volumes([path.read_bytes() for path in files])


def decode_volumes(contents: Sequence[bytes]) -> SeriesVolumes:
    """Decode the files of one series, as `read_volumes` does, from their bytes.

    Raises:
        UnsoundSeries: The files are no images, or no part of them makes a regular grid.
        NotDicom: A file is broken.
    """
    series = _open(contents)
    return SeriesVolumes(volumes=series.volumes(), grids=series.grids, refused=series.refused)


def read_grids(files: Sequence[Path]) -> tuple[SeriesGrid, ...]:
    """Tell where the frames of one series lie, stack by stack, without decoding pixels.

    Raises:
        UnsoundSeries: The files are no images, or no part of them makes a regular grid.
        NotDicom: A file is broken.
        OSError: A file cannot be read.
    """
    return _read(files).grids


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Series:
    instances: tuple[Instance, ...]
    places: tuple[tuple[int, int], ...]
    stacks: tuple[Stack, ...]
    refused: tuple[Refusal, ...]

    @property
    def grids(self) -> tuple[SeriesGrid, ...]:
        return tuple(
            SeriesGrid(
                name=stack.name,
                geometry=stack.geometry,
                frames=tuple(self.places[index] for index in stack.order),
            )
            for stack in self.stacks
        )

    def volumes(self) -> tuple[Volume, ...]:
        """Decode every file once, and put its frames where they belong."""
        grids = self.grids
        voxels = [
            np.empty(grid.geometry.shape, dtype=self.instances[grid.frames[0][0]].dtype)
            for grid in grids
        ]
        targets: list[list[tuple[int, Voxels]]] = [[] for _ in self.instances]
        for grid, array in zip(grids, voxels, strict=True):
            for number, (file, frame) in enumerate(grid.frames):
                targets[file].append((frame, array[number]))
        for instance, wanted in zip(self.instances, targets, strict=True):
            decoded = instance.decode() if wanted else ()
            for frame, slice_ in wanted:
                slice_[...] = decoded[frame]
        return tuple(self._volume(grid, array) for grid, array in zip(grids, voxels, strict=True))

    def _volume(self, grid: SeriesGrid, voxels: Voxels) -> Volume:
        frames = [self.instances[file].frames[frame] for file, frame in grid.frames]
        attributes = self.instances[grid.frames[0][0]].attributes
        modality, rescale = attributes.text(_MODALITY), frames[0].rescale
        unit = attributes.text(_UNITS)
        if modality == "CT":
            unit = "HU" if rescale.kind in {"", "HU"} else rescale.kind
        slices = _slice_rescale(frames)
        return Volume(
            voxels=voxels,
            geometry=grid.geometry,
            modality=modality,
            slope=1.0 if slices else rescale.slope,
            intercept=0.0 if slices else rescale.intercept,
            unit=unit,
            stack=grid.name,
            slice_rescale=slices,
            philips_scale=_philips_scale(frames),
        )


def _read(files: Sequence[Path]) -> _Series:
    return _open([path.read_bytes() for path in files])


def _open(contents: Sequence[bytes]) -> _Series:
    if not contents:
        raise unsound("it holds no files", "Give at least one DICOM file.")
    instances = tuple(open_instance(content) for content in contents)
    for tag, what in ((_SERIES_UID, "series"), (_FRAME_OF_REFERENCE, "frames of reference")):
        if len({instance.attributes.text(tag) for instance in instances}) > 1:
            raise unsound(f"it mixes several {what}", "Give one series at a time.")
    places = tuple(
        (file, frame)
        for file, instance in enumerate(instances)
        for frame in range(len(instance.frames))
    )
    stacks = split([frame for instance in instances for frame in instance.frames])
    total = sum(int(np.prod(stack.geometry.shape, dtype=np.int64)) for stack in stacks.sound)
    if total > _MAX_VOXELS:
        raise unsound(f"{total} voxels are too many", "Split the series.")
    return _Series(instances=instances, places=places, stacks=stacks.sound, refused=stacks.refused)


def _check_one(grids: Sequence[SeriesGrid], refused: Sequence[Refusal]) -> None:
    if len(grids) > 1:
        names = "; ".join(grid.name for grid in grids[:_MOST_NAMED])
        more = f" and {len(grids) - _MOST_NAMED} more" if len(grids) > _MOST_NAMED else ""
        raise unsound(
            f"it makes {len(grids)} volumes: {names}{more}",
            "Take one of them: send its images as a series of their own.",
        )
    if refused:
        raise unsound(f"a part of it is no volume: {refused[0].text}", refused[0].hint)


def _slice_rescale(frames: Sequence[Frame]) -> tuple[SliceRescale, ...]:
    kinds: set[Rescale] = {frame.rescale for frame in frames}
    if len({(each.slope, each.intercept) for each in kinds}) == 1:
        return ()
    return tuple((frame.rescale.slope, frame.rescale.intercept) for frame in frames)


def _philips_scale(frames: Sequence[Frame]) -> tuple[SliceRescale, ...]:
    """One for all slices where they agree, else one a slice; none where one lacks it."""
    scales = [frame.philips_scale for frame in frames if frame.philips_scale]
    if len(scales) < len(frames):
        return ()
    return tuple(scales[:1] if len(set(scales)) == 1 else scales)

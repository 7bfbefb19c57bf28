"""The series that was looked at last: several models of a study share what is read of it."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sightline import extras
from sightline.engines.limited import Limits
from sightline.formats.dicom_file import read_header
from sightline.formats.dicom_image import SeriesGrid, SeriesVolumes, read_volumes
from sightline.formats.result_object import Sources, read_sources
from sightline.values.evaluation import Facts
from sightline.values.identity import Digest
from sightline.values.likeness import Likeness
from sightline.values.volume import Volume


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One volume of a series, and what results on it are made from.

    Attributes:
        volume: with one rescale for all its slices.
        grid: where its slices lie in the files.
        sources: the headers of those files.
        prepare: makes of the volume what a network sees, once for all that want the same.
        likeness: says what the volume looks like.
    """

    volume: Volume
    grid: SeriesGrid
    sources: Sources
    prepare: Callable[..., Any]
    likeness: Callable[[], Likeness]


class Series:
    """What was read of one series."""

    def __init__(self, read: SeriesVolumes, files: Sequence[Path]) -> None:
        self.read = read
        self._parts: dict[int, Part] = {}
        self._files = files

    def part(self, number: int) -> Part:
        """Return one of its volumes with what belongs to it.

        Raises:
            MissingExtra: The host has no learning stack.
            NotDicom: A file is broken.
            OSError: A file cannot be read.
        """
        if number not in self._parts:
            grid = self.read.grids[number]
            volume = self.read.volumes[number].evened()
            sources = read_sources([self._files[file] for file in grid.files])
            likeness_of = extras.load("sightline.prepare.likeness", extra="learn").likeness_of
            self._parts[number] = Part(
                volume=volume,
                grid=grid,
                sources=sources,
                prepare=extras.load("sightline.prepare.image", extra="learn").KeptImages(),
                likeness=functools.cache(lambda: likeness_of(volume, _scanner(sources))),
            )
        return self._parts[number]


class AtHand:
    """Keeps one series until another one is asked for."""

    def __init__(self) -> None:
        self._inputs: tuple[Digest, ...] = ()
        self._series: Series | None = None

    def series(self, inputs: Sequence[Digest], files: Sequence[Path]) -> Series:
        """Return a series, decoded in a limited child process.

        Args:
            inputs: the digests of its instances, checked.
            files: the instances, in that order.

        Raises:
            BadFile: The series is no volume.
            OSError: A file cannot be read.
        """
        if self._series is None or self._inputs != tuple(inputs):
            self.forget()  # two series at a time would be twice the memory
            frames = sum(read_header(path.read_bytes()).frames or 1 for path in files)
            read = Limits.for_files(files, frames=frames).call(read_volumes, files)
            self._inputs, self._series = tuple(inputs), Series(read, files)
        return self._series

    def forget(self) -> None:
        """Let the series go."""
        self._series = None


def _scanner(sources: Sources) -> str:
    """Name the scanner as the hub does; empty where its model is not told."""
    header = sources.images[0]
    maker, model = (
        str(header.get(name) or "").strip() for name in ("Manufacturer", "ManufacturerModelName")
    )
    return Facts(manufacturer=maker, model=model).scanner if model else ""

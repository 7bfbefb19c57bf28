"""What every format must hold, ours and outsiders'.

Subclass `FormatConformance` in a test file and say which format is meant:

    class TestMine(FormatConformance):
        @pytest.fixture
        def candidate(self) -> Format:
            return PLUGIN

A format that cannot write overrides `examples` too.
"""

import dataclasses
import random

import numpy as np
import pytest

from sightline.errors import BadFile
from sightline.formats.contract import HEAD_BYTES, Format, Readable, as_segmentation
from sightline.values.alignment import align_to_grid
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation, Volume

STRANGERS = (
    b"",
    b"\0" * 2048,
    b"plain text, and enough of it to look like a file. " * 40,
    b"\x89PNG\r\n\x1a\n" + bytes(64),
    bytes(128) + b"DICM" + bytes(512),
    random.Random(0).randbytes(4096),  # noqa: S311 - repeatable noise, no secret
)
"""Files of no format of ours."""

_AFFINE = np.array(
    [[0.0, 0.0, 0.75, -90.5], [0.0, 0.75, 0.0, -80.25], [2.5, 0.0, 0.0, 30.0], [0, 0, 0, 1]]
)
_SHAPE = (4, 6, 5)
_MUTANTS = 200


def example_volume() -> Volume:
    """A small CT with negative voxels and a rescale."""
    voxels = np.arange(-60, 60, dtype=np.int16).reshape(_SHAPE)
    return Volume(
        voxels=voxels,
        geometry=Geometry.from_affine(_SHAPE, _AFFINE),
        modality="CT",
        slope=2.0,
        intercept=-100.0,
        unit="HU",
    )


def example_mask() -> Segmentation:
    """A small mask of two classes, with voxels of each in it."""
    mask = (np.arange(120) % 3).astype(np.uint8).reshape(_SHAPE)
    geometry = Geometry.from_affine(_SHAPE, _AFFINE)
    return Segmentation(mask=mask, geometry=geometry, classes=("lung", "lesion"), author="R1")


class FormatConformance:
    """Tests that every format passes."""

    @pytest.fixture
    def candidate(self) -> Format:
        """Give the format; every subclass says which."""
        raise NotImplementedError

    @pytest.fixture
    def examples(self, candidate: Format) -> list[bytes]:
        """Give whole, good files of the format: those it writes, unless overridden."""
        if candidate.write is None:
            pytest.fail(f"{candidate.title} cannot write: override the fixture `examples`")
        return [candidate.write(example_volume()), candidate.write(example_mask())]

    def test_describes_itself(self, candidate: Format) -> None:
        """Title and suffixes are usable as they are."""
        assert candidate.title.strip() == candidate.title != ""
        assert candidate.suffixes
        for suffix in candidate.suffixes:
            assert suffix.startswith(".")
            assert suffix == suffix.lower()

    def test_recognises_its_own_files_alone(self, candidate: Format, examples: list[bytes]) -> None:
        """The first bytes tell, and no stranger is taken for one of ours."""
        for content in examples:
            assert candidate.recognises(content[:HEAD_BYTES])
        for content in STRANGERS:
            assert not candidate.recognises(content[:HEAD_BYTES])

    def test_reads_sound_values(self, candidate: Format, examples: list[bytes]) -> None:
        """What is read keeps the promises of `Volume` and `Segmentation`; twice the same."""
        for content in examples:
            value = candidate.read(content)
            _assert_sound(value)
            assert np.array_equal(_array(value), _array(candidate.read(content)))

    def test_strangers_are_bad_files(self, candidate: Format) -> None:
        """Bytes of no format end in `BadFile` with a hint."""
        for content in STRANGERS:
            with pytest.raises(BadFile) as caught:
                candidate.read(content)
            assert caught.value.hint

    def test_cut_files_are_bad_files(self, candidate: Format, examples: list[bytes]) -> None:
        """A file that ends too early is never read as if it were whole."""
        for content in examples:
            for share in (0.1, 0.5, 0.9):
                with pytest.raises(BadFile):
                    candidate.read(content[: int(len(content) * share)])

    def test_damaged_files_raise_nothing_else(
        self, candidate: Format, examples: list[bytes]
    ) -> None:
        """Changed bytes end in a sound value or in `BadFile`, and in no other exception."""
        chance = random.Random(1)  # noqa: S311 - repeatable damage, no secret
        for content in examples:
            for _ in range(_MUTANTS):
                damaged = bytearray(content)
                for _ in range(chance.randint(1, 8)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                try:
                    _assert_sound(candidate.read(bytes(damaged)))
                except BadFile as error:
                    assert error.hint  # noqa: PT017 - some damage does no harm

    def test_volumes_survive(self, candidate: Format) -> None:
        """Voxels, place and scale are read as they were written; the same value, the same bytes."""
        if candidate.write is None:
            pytest.skip(f"{candidate.title} is only read")
        volume = example_volume()
        content = candidate.write(volume)
        assert content == candidate.write(volume)
        read = candidate.read(content)
        assert isinstance(read, Volume)
        assert np.array_equal(_on_grid(read, volume.geometry), volume.voxels)
        assert (read.slope, read.intercept) == (volume.slope, volume.intercept)

    def test_masks_survive(self, candidate: Format) -> None:
        """A mask comes back voxel for voxel, by names or by numbers."""
        if candidate.write is None:
            pytest.skip(f"{candidate.title} is only read")
        mask = example_mask()
        content = candidate.write(mask)
        assert content == candidate.write(mask)
        read = as_segmentation(candidate.read(content), classes=mask.classes, author=mask.author)
        assert np.array_equal(align_to_grid(read, mask.geometry).mask, mask.mask)


def _assert_sound(value: Readable) -> None:
    array = _array(value)
    assert array.ndim == len(_SHAPE)
    assert array.shape == value.geometry.shape
    assert np.isfinite(value.geometry.matrix).all()
    assert value.geometry.voxel_ml > 0
    if isinstance(value, Volume):
        assert array.dtype.kind in "iu"
        assert np.isfinite([value.slope, value.intercept]).all()
    else:
        assert array.dtype == np.uint8
        assert int(array.max()) <= len(value.classes) == len(set(value.classes))


def _array(value: Readable) -> np.ndarray:
    return value.voxels if isinstance(value, Volume) else value.mask


def _on_grid(volume: Volume, geometry: Geometry) -> np.ndarray:
    as_mask = dataclasses.replace(example_mask(), mask=volume.voxels, geometry=volume.geometry)
    return align_to_grid(as_mask, geometry).mask

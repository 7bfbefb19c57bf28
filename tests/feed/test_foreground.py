"""Where classes lie is found once, and kept beside the mask."""

from pathlib import Path

import numpy as np
import pytest

from sightline.feed.foreground import index_foreground
from tests.learning import example

KEPT = "sightline-foreground-1.npz"


def test_places_are_voxels_of_their_class(tmp_path: Path) -> None:
    found = example(tmp_path, 0)
    assert found.mask is not None
    mask = found.mask.read()
    for number, places in enumerate(index_foreground(found, 2).places, start=1):
        assert len(places) == (mask == number).sum()
        assert (mask[tuple(places.T)] == number).all()
    assert len(index_foreground(found, 1).places) == 1


def test_an_index_is_made_once(tmp_path: Path) -> None:
    found = example(tmp_path, 0)
    assert found.mask is not None
    made = index_foreground(found, 2)
    shard = found.mask.path / "c/0/0/0"
    shard.unlink()
    for one, other in zip(made.places, index_foreground(found, 2).places, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("at", [10, -30, -1])
def test_a_damaged_index_is_made_again(tmp_path: Path, at: int) -> None:
    found = example(tmp_path, 0)
    assert found.mask is not None
    made = index_foreground(found, 2)
    kept = found.mask.path / KEPT
    content = bytearray(kept.read_bytes())
    kept.write_bytes(content[:at])
    for one, other in zip(made.places, index_foreground(found, 2).places, strict=True):
        np.testing.assert_array_equal(one, other)
    assert kept.read_bytes() == content


def test_a_folder_that_cannot_be_written_costs_the_index_only(tmp_path: Path) -> None:
    found = example(tmp_path, 0)
    assert found.mask is not None
    (found.mask.path / KEPT).mkdir()
    assert len(index_foreground(found, 2).places) == 2
    assert [path.name for path in found.mask.path.iterdir() if path.name.startswith(".")] == []

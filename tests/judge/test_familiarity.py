"""Series unlike what a model learnt from are told from those that are like it, on real images."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from sightline.formats.nifti import read_nifti_volume
from sightline.judge.familiarity import FEWEST, cautions_of, distance_of, familiar_with
from sightline.prepare.likeness import likeness_of
from sightline.values.geometry import Geometry
from sightline.values.likeness import Familiar, Likeness
from sightline.values.volume import Volume

Pixels = npt.NDArray[np.float32]
LEARNT, SPLITS = 70, 4
MOST_FALSE, LEAST_FOUND = 0.04, 0.9


def volume_of(pixels: npt.NDArray[np.generic], like: Volume) -> Volume:
    voxels = np.ascontiguousarray(np.clip(pixels, -32768, 32767).astype(np.int16))
    geometry = Geometry.from_affine(voxels.shape, like.geometry.matrix)
    return dataclasses.replace(like, voxels=voxels, geometry=geometry)


def chests(folder: Path) -> Iterator[Volume]:
    affine = np.array([[0, 0, 0.3, 0], [1, 0, 0, 0], [0, -0.3, 0, 0], [0, 0, 0, 1]])
    for path in sorted(folder.rglob("images/*.jpg")):
        voxels = np.array(Image.open(path).convert("L"))[None].astype(np.int16)
        geometry = Geometry.from_affine(voxels.shape, affine)
        yield Volume(voxels=voxels, geometry=geometry, modality="DX")


def heads(folder: Path) -> Iterator[Volume]:
    for path in sorted(folder.glob("images/*.nii*")):
        yield read_nifti_volume(path.read_bytes(), modality="MR")


NOISE = np.random.default_rng(0)
SPOILINGS: dict[str, Callable[[Pixels], npt.NDArray[np.generic]]] = {
    "black is white": lambda pixels: pixels.max() - pixels,
    "upside down": lambda pixels: pixels[:, ::-1],
    "turned": lambda pixels: np.rot90(pixels, axes=(1, 2)),
    "noise alone": lambda pixels: NOISE.uniform(0, pixels.max(), pixels.shape),
    "blank": lambda pixels: np.full_like(pixels, 7),
    "noisy": lambda pixels: pixels + NOISE.normal(0, pixels.std() / 2, pixels.shape),
    "a quarter of it": lambda pixels: pixels[:, : pixels.shape[1] // 2, : pixels.shape[2] // 2],
    "half missing": lambda pixels: np.where(
        np.arange(pixels.shape[2]) < pixels.shape[2] // 2, pixels, 0
    ),
}


@pytest.fixture(scope="module", params=["chests", "heads"])
def images(request: pytest.FixtureRequest, test_data: Path) -> list[Volume]:
    if request.param == "chests":
        return list(chests(test_data / "chest_xray_tb"))
    return list(heads(test_data / "hippocampus" / "TrainingSet"))


@pytest.fixture(scope="module")
def whole(images: list[Volume]) -> list[Likeness]:
    return [likeness_of(each) for each in images]


def share_with_caution(whole: list[Likeness], looked_at: list[Likeness]) -> float:
    """Learn from some, look at the others, and return how many of these get a caution.

    Args:
        whole: images as they are.
        looked_at: the same images, in that order, as they are or spoilt.
    """
    shares = []
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(whole))
        known = familiar_with([whole[place] for place in order[:LEARNT]])
        assert known is not None
        found = [bool(cautions_of(known, looked_at[place])) for place in order[LEARNT:]]
        shares.append(np.mean(found))
    return float(np.mean(shares))


def test_others_of_the_same_kind_are_familiar(whole: list[Likeness]) -> None:
    assert share_with_caution(whole, whole) <= MOST_FALSE


@pytest.mark.parametrize("spoiling", SPOILINGS)
def test_what_was_spoilt_is_shown_with_a_caution(
    images: list[Volume], whole: list[Likeness], spoiling: str
) -> None:
    spoil = SPOILINGS[spoiling]
    spoilt = [
        likeness_of(volume_of(spoil(each.voxels.astype(np.float32)), each)) for each in images
    ]
    assert share_with_caution(whole, spoilt) >= LEAST_FOUND


def test_another_part_of_the_body_is_shown_with_a_caution(test_data: Path) -> None:
    chest = list(chests(test_data / "chest_xray_tb"))[:LEARNT]
    known = familiar_with([likeness_of(each) for each in chest])
    assert known is not None
    others = [
        volume_of(np.kron(each.voxels[len(each.voxels) // 2], np.ones((16, 10)))[None], chest[0])
        for each in heads(test_data / "hippocampus" / "TrainingSet")
    ]
    assert all(cautions_of(known, likeness_of(each)) for each in others)


def ct_of(seed: int, *, metal: int = 0) -> Volume:
    """Make a body of water in air, with noise; of some voxels metal."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[:48, :48] - 24
    inside = rows**2 + columns**2 < (18 + chance.integers(0, 3)) ** 2
    voxels = np.where(inside, 40, -1000) + chance.normal(0, 12, (10, 48, 48))
    voxels[:, 24, 24 : 24 + metal] = 3000
    affine = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [5, 0, 0, 0], [0, 0, 0, 1]])
    geometry = Geometry.from_affine(voxels.shape, affine)
    return Volume(voxels=voxels.astype(np.int16), geometry=geometry, modality="CT", unit="HU")


@pytest.fixture
def bodies() -> Familiar:
    known = familiar_with([likeness_of(ct_of(seed), "Alpha One") for seed in range(20)])
    assert known is not None
    return known


def test_metal_is_named(bodies: Familiar) -> None:
    assert cautions_of(bodies, likeness_of(ct_of(99))) == ()
    found = cautions_of(bodies, likeness_of(ct_of(99, metal=6)))
    assert [each for each in found if "as dense as metal" in each]


def test_a_scanner_that_it_does_not_know_is_named(bodies: Familiar) -> None:
    assert bodies.scanners == ("Alpha One",)
    assert cautions_of(bodies, likeness_of(ct_of(99), "Alpha One")) == ()
    assert cautions_of(bodies, likeness_of(ct_of(99))) == ()
    (found,) = cautions_of(bodies, likeness_of(ct_of(99), "Beta Two"))
    assert "Beta Two" in found


def test_where_no_scanner_was_recorded_none_is_unknown() -> None:
    known = familiar_with([likeness_of(ct_of(seed)) for seed in range(20)])
    assert known is not None
    assert cautions_of(known, likeness_of(ct_of(99), "Beta Two")) == ()


def test_of_too_few_series_nothing_is_said() -> None:
    seen = [likeness_of(ct_of(seed)) for seed in range(FEWEST)]
    assert familiar_with(seen[:-1]) is None
    assert familiar_with(seen) is not None


def test_no_series_is_kept_alone_and_all_of_it_comes_back(bodies: Familiar) -> None:
    assert Familiar.from_json(dataclasses.asdict(bodies)) == bodies
    assert {len(norm.mean) for norm in bodies.norms.values()} == {
        len(traits) for traits in likeness_of(ct_of(0)).traits.values()
    }


def test_a_distance_is_in_spreads(bodies: Familiar) -> None:
    norm = bodies.norms["size"]
    moved = [mean + 2 * spread for mean, spread in zip(norm.mean, norm.spread, strict=True)]
    assert distance_of(norm, norm.mean) == 0
    assert distance_of(norm, moved) == pytest.approx(2)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 500), (300, 2, 2), (5, 1, 7)])
def test_any_shape_has_a_likeness(shape: tuple[int, int, int]) -> None:
    voxels = np.arange(np.prod(shape)).reshape(shape).astype(np.int16)
    geometry = Geometry.from_affine(shape, np.eye(4)[[2, 1, 0, 3]])
    found = likeness_of(Volume(voxels=voxels, geometry=geometry, modality="MR"))
    numbers = [number for traits in found.traits.values() for number in traits]
    assert np.isfinite(numbers).all()


def test_orientation_of_storage_does_not_matter() -> None:
    body = ct_of(3)
    turned = dataclasses.replace(
        body,
        voxels=body.voxels[:, ::-1],
        geometry=Geometry.from_affine(
            body.geometry.shape,
            body.geometry.matrix
            @ np.array([[1, 0, 0, 0], [0, -1, 0, 47], [0, 0, 1, 0], [0, 0, 0, 1]]),
        ),
    )
    as_it_is, as_turned = likeness_of(body), likeness_of(turned)
    assert isinstance(as_it_is, Likeness)
    assert as_turned.traits["layout"] == pytest.approx(as_it_is.traits["layout"])

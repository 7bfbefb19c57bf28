import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.feed.draws import Appearance, Sampler, keep_voxels, rotations
from sightline.feed.foreground import index_foreground
from sightline.prepare.grid import NetworkGrid
from sightline.values.recipe import Training
from tests.learning import examples, planned


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    found = examples(tmp_path_factory.mktemp("arrays"), 5)
    plan = planned(found)
    return Sampler(
        grids=[NetworkGrid.over(each.geometry, plan.spacing_mm) for each in found],
        foreground=[index_foreground(each, 2) for each in found],
        patch=plan.patch,
        training=Training(affine_share=0.5, batch=2, shear=0.1, elastic=0.05),
    )


def _with(sampler: Sampler, **changes: object) -> Sampler:
    training = Training.model_validate(sampler.training.model_dump() | changes)
    return dataclasses.replace(sampler, training=training)


def _same(one: object, other: object) -> bool:
    return repr(one) == repr(other)


def test_a_step_is_drawn_alike_whatever_was_drawn_before(sampler: Sampler) -> None:
    forward = [sampler.draw(step) for step in range(20)]
    backward = [sampler.draw(step) for step in reversed(range(20))]
    assert all(map(_same, forward, reversed(backward)))


def test_seeds_and_steps_differ(sampler: Sampler) -> None:
    other = _with(sampler, seed=1)
    assert not _same(sampler.draw(3)[0], other.draw(3)[0])
    assert not _same(sampler.draw(3)[0].to_source, sampler.draw(3)[1].to_source)


def test_every_example_comes_once_an_epoch(sampler: Sampler) -> None:
    drawn = [draw.example for step in range(10) for draw in sampler.draw(step)]
    assert [sorted(drawn[start : start + 5]) for start in range(0, 20, 5)] == [list(range(5))] * 4
    assert len({tuple(drawn[start : start + 5]) for start in range(0, 20, 5)}) > 1


@given(st.integers(0, 2**40), st.integers(0, 1))
def test_bounds_hold_every_voxel_that_the_patch_touches(
    sampler: Sampler, step: int, place: int
) -> None:
    draw = sampler.draw(step)[place]
    shape = (20, 24, 22)
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in sampler.patch])).reshape(3, -1)
    reached = draw.to_source[:, :3] @ corners + draw.to_source[:, 3:]
    if draw.elastic is not None:
        moved = np.abs(draw.to_source[:, :3]) @ np.abs(draw.elastic).max(axis=(1, 2, 3))
        reached = np.concatenate([reached - moved[:, None], reached + moved[:, None]], axis=1)
    for axis, (start, stop) in enumerate(draw.bounds):
        assert 0 <= start < stop <= shape[axis]
        # Linear interpolation reads the voxels on both sides of a place.
        assert start <= max(0, np.floor(reached[axis].min() + 1e-6))
        assert stop >= min(shape[axis], np.ceil(reached[axis].max() - 1e-6) + 1)


def test_patches_on_a_class_hold_it(sampler: Sampler) -> None:
    chosen = _with(sampler, foreground_share=1, affine_share=0)
    for step in range(20):
        draw = chosen.draw(step)[0]
        places = np.concatenate(chosen.foreground[draw.example].places)
        inside = [
            (places[:, axis] >= start) & (places[:, axis] < stop)
            for axis, (start, stop) in enumerate(draw.bounds)
        ]
        assert np.all(inside, axis=0).any()


def test_patches_off_the_classes_reach_every_part(sampler: Sampler) -> None:
    anywhere = _with(sampler, foreground_share=0, affine_share=0, mirror=[])
    starts = np.array([[b[0] for b in anywhere.draw(step)[0].bounds] for step in range(200)])
    assert (starts.min(axis=0) == 0).all()
    assert (starts.max(axis=0) == np.array([20, 24, 22]) - 16).all()


@given(st.tuples(*[st.floats(0.1, 1)] * 3), st.floats(-3, 3))
def test_a_rotation_keeps_lengths_and_its_axis(
    axis: tuple[float, float, float], angle: float
) -> None:
    (turn,) = rotations(np.array([axis]), np.array([angle]))
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert turn @ np.array(axis) == pytest.approx(np.array(axis), abs=1e-12)
    assert np.trace(turn) == pytest.approx(1 + 2 * np.cos(angle), abs=1e-12)


def test_thick_slices_are_turned_in_their_plane_only(sampler: Sampler) -> None:
    flat = dataclasses.replace(_with(sampler, affine_share=1), patch=(1, 16, 16))
    for step in range(20):
        draw = flat.draw(step)[0]
        (start, stop), *_ = draw.bounds
        assert stop - start == 1
        assert draw.elastic is None or not draw.elastic[0].any()


def test_changes_of_appearance_come_at_their_shares(sampler: Sampler) -> None:
    looks = [sampler.draw(step)[0].appearance for step in range(2000)]
    shares = {
        "noise": np.mean([look.noise > 0 for look in looks]),
        "blur": np.mean([look.blur > 0 for look in looks]),
        "brightness": np.mean([look.brightness != 0 for look in looks]),
        "contrast": np.mean([look.contrast != 1 for look in looks]),
        "low_resolution": np.mean([look.low_resolution < 1 for look in looks]),
        "inverted": np.mean([look.is_inverted for look in looks]),
    }
    wanted = [0.1, 0.1, 0.15, 0.15, 0.125, 0.1]
    assert list(shares.values()) == pytest.approx(wanted, abs=0.03)
    assert all(0.5 <= look.low_resolution <= 1 and look.blur <= 1 for look in looks)
    still = _with(sampler, appearance=0)
    assert still.draw(3)[0].appearance == Appearance()


def test_what_is_on_voxels_mixes_nothing(sampler: Sampler) -> None:
    drawn = [draw for step in range(100) for draw in sampler.draw(step)]
    assert {draw.is_on_voxels for draw in drawn} == {True, False}
    for draw in drawn:
        keeps = bool(keep_voxels(draw.to_source[None])[0]) and draw.elastic is None
        assert draw.is_on_voxels == keeps
        if keeps:
            assert np.array_equal(draw.to_source, np.rint(draw.to_source))

"""Figures of two masks, against arithmetic by hand and against a plain search of all pairs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightline.judge.closeness import cohen_kappa, compare, dice, fleiss_kappa

MASKS = arrays(np.bool_, (3, 5, 6))
SPACING_MM = (2.5, 0.7, 0.8)


def surface(mask: np.ndarray) -> np.ndarray:
    """Return the places of voxels with a neighbour by a face outside."""
    padded = np.pad(mask, 1)
    places = []
    for place in np.argwhere(mask):
        steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
        if not all(padded[tuple(place + 1 + step)] for step in steps):
            places.append(place)
    return np.array(places)


@settings(max_examples=30, deadline=None)
@given(one=MASKS, other=MASKS)
def test_distances_are_those_of_a_plain_search(one: np.ndarray, other: np.ndarray) -> None:
    found = compare(one, other, spacing_mm=SPACING_MM)
    if not (one.any() and other.any()):
        assert (found.hd95_mm, found.distance_mm, found.both_marked) == (None, None, False)
        return
    a, b = (surface(mask) * SPACING_MM for mask in (one, other))
    apart = np.linalg.norm(a[:, None] - b[None], axis=-1)
    there, back = apart.min(axis=1), apart.min(axis=0)
    assert found.hd95_mm == pytest.approx(
        max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-5
    )
    assert found.distance_mm == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-5)


@given(one=MASKS, other=MASKS)
def test_dice_and_kappa_are_symmetric_and_bounded(one: np.ndarray, other: np.ndarray) -> None:
    assert dice(one, other) == dice(other, one)
    assert cohen_kappa(one, other) == pytest.approx(cohen_kappa(other, one))
    for found in (dice(one, other), cohen_kappa(one, other), fleiss_kappa([one, other, one])):
        assert found is None or -1 - 1e-12 <= found <= 1 + 1e-12


@given(masks=st.lists(MASKS, min_size=2, max_size=4))
def test_fleiss_kappa_is_that_of_the_definition(masks: list[np.ndarray]) -> None:
    votes = np.stack(masks).reshape(len(masks), -1)
    pairs = list(itertools.combinations(range(len(masks)), 2))
    observed = np.mean([(votes[a] == votes[b]).mean() for a, b in pairs])
    share = votes.mean()
    by_chance = share**2 + (1 - share) ** 2
    expected = None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
    found = fleiss_kappa(masks)
    assert found == expected if expected is None else found == pytest.approx(expected)


def test_cohen_kappa_of_a_table_by_hand() -> None:
    # 20 agree that it is, 15 that it is not, 5 and 10 differ: (0.7 - 0.5) / (1 - 0.5).
    one = np.array([True] * 25 + [False] * 25).reshape(1, 5, 10)
    other = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15).reshape(1, 5, 10)
    assert cohen_kappa(one, other) == pytest.approx(0.4)


def test_an_empty_mask_is_a_statement() -> None:
    marked = np.zeros((2, 4, 4), np.bool_)
    marked[0, 1:3, 1:3] = True
    empty = np.zeros_like(marked)
    nobody = compare(empty, empty, spacing_mm=SPACING_MM)
    assert (nobody.dice, nobody.kappa, nobody.both_marked) == (None, None, False)
    one = compare(marked, empty, spacing_mm=SPACING_MM)
    assert (one.dice, one.kappa, one.hd95_mm, one.slice_dice) == (0.0, 0.0, None, ())
    both = compare(marked, marked, spacing_mm=SPACING_MM)
    assert (both.dice, both.kappa, both.hd95_mm, both.slice_dice) == (1.0, 1.0, 0.0, (1.0,))


def test_without_a_spacing_no_distance_is_measured() -> None:
    marked = np.ones((2, 4, 4), np.bool_)
    assert compare(marked, marked, spacing_mm=None).hd95_mm is None

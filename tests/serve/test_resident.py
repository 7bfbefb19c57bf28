"""Models stay while there is room, and the one that was used longest ago leaves first."""

import numpy as np
import pytest

from sightline.serve import resident
from sightline.serve.resident import FOR_MODELS, Resident, budget_of, used_bytes

MB = 1_000_000


def block() -> np.ndarray:
    return np.ones(40 * MB, np.uint8)


def test_a_model_is_loaded_once_while_there_is_room() -> None:
    held: Resident[list[int]] = Resident(1 << 50)
    first = held.get("a", lambda: [1])
    assert held.get("a", lambda: [2]) is first
    held.get("b", lambda: [3])
    held.get("a", lambda: [4])
    assert held.names() == ["b", "a"]
    held.forget("a")
    assert held.names() == ["b"]


def test_memory_stays_within_the_budget_however_many_are_asked_for() -> None:
    budget = int((used_bytes() + 130 * MB) / FOR_MODELS)
    held: Resident[np.ndarray] = Resident(budget)
    most = 0
    for round_ in range(2):
        for number in range(8):
            held.get(f"{number}", block)
            most = max(most, used_bytes())
            assert held.names()[-1] == f"{number}"
        if round_:
            # Once their size is known, room is made before they are loaded.
            assert most < budget * FOR_MODELS + 45 * MB
    assert 2 <= len(held.names()) <= 4
    assert most < budget


def test_what_was_used_lately_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    used = 0
    monkeypatch.setattr(resident, "used_bytes", lambda: used)
    held: Resident[str] = Resident(1000)

    def load(name: str) -> str:
        nonlocal used
        used += 250
        return name

    for name in "abc":
        held.get(name, lambda name=name: load(name))
    held.get("a", lambda: load("a"))

    def leave(_size: int = 0) -> None:
        nonlocal used
        used -= 250

    monkeypatch.setattr(resident, "_give_back", leave)
    held.get("d", lambda: load("d"))
    assert held.names() == ["c", "a", "d"]


def test_a_budget_of_nothing_is_half_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget_of(4) == 4_000_000_000
    monkeypatch.setattr(resident, "memory_left_bytes", lambda: 1000 * MB)
    assert budget_of(0) == pytest.approx((1000 * MB + used_bytes()) / 2, rel=0.05)

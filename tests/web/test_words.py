import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline import clock
from sightline.web import words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Probe^Anna", "Probe, Anna"),
        ("Probe^Anna^Maria^Dr.^MD", "Probe, Dr. Anna Maria MD"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田, 太郎, やまだ, たろう)"),
        ("=山田^太郎", "山田, 太郎"),
        ("PROBE", "PROBE"),
        ("^", "(no name)"),
        ("", "(no name)"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert words.person(name) == expected


@given(st.text(max_size=40))
def test_any_name_and_date_can_be_written(text: str) -> None:
    assert words.person(text)
    assert words.date(text) is not None
    assert words.age(text, text) is not None


@pytest.mark.parametrize(
    ("born", "on", "expected"),
    [
        ("19700301", "20240229", "53 y"),
        ("19700301", "20240301", "54 y"),
        ("20240101", "20240801", "7 mo"),
        ("", "20240101", ""),
        ("20240101", "20230101", ""),
        ("19701301", "20240101", ""),
    ],
)
def test_ages(born: str, on: str, expected: str) -> None:
    assert words.age(born, on) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (5, "5 s"),
        (150, "2 min"),
        (3 * 3600 + 300, "3 h 05 min"),
        (49 * 3600, "2 d 1 h"),
        (-9, "0 s"),
    ],
)
def test_waiting_times(seconds: float, expected: str) -> None:
    assert words.waiting(clock.timestamp() - seconds - 0.1) == expected


def test_dates_and_priorities() -> None:
    assert words.date("20240229") == "2024-02-29"
    assert words.date("20230229") == ""
    assert (words.time("101500.25"), words.time("10")) == ("10:15", "")
    assert [words.priority(level) for level in (None, 0, 1, 2)] == [
        "not assessed",
        "routine",
        "soon",
        "urgent",
    ]

"""Dates move by one number of days, at the precision they had; odd ones never crash."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deid.rules import CONTEXT, cleaned

OFFSET = dt.timedelta(days=CONTEXT.offset_days)


@pytest.mark.parametrize(
    ("keyword", "given_", "expected"),
    [
        ("StudyDate", b"20240301", b"20230126"),
        ("StudyDate", b"20240301 ", b"20230126"),
        ("StudyDate", b"2024.03.01", b"2023.01.26"),
        ("StudyDate", b"202403", b"202301"),
        ("StudyDate", b"2024", b"2022"),
        ("StudyDate", b"20240301-20240302", b"20230126-20230127"),
        ("StudyDate", b"-20240301", b"-20230126"),
        ("StudyDate", b"", b""),
        ("StudyDate", b"   ", b""),
        ("StudyDate", b"00000000", None),
        ("StudyDate", b"20240230", None),
        ("StudyDate", b"0001.01.01", None),
        ("StudyDate", b"SMITH", None),
        ("StudyDate", b"\xff\xfe\x00\x01", None),
        ("DateOfLastCalibration", b"20240301\\20240302", b"20230126\\20230127"),
        ("DateOfLastCalibration", b"20240301\\SMITH", None),
        ("AcquisitionDateTime", b"20240301101112.123456+0100", b"20230126101112.123456+0100"),
        ("AcquisitionDateTime", b"20240301101112", b"20230126101112"),
        ("AcquisitionDateTime", b"202403", b"202301"),
        ("AcquisitionDateTime", b"20240301-0500", b"20230126-0500"),
        ("AcquisitionDateTime", b"2024030110:11", None),
        ("StudyTime", b"101112.123456", b"101112.123456"),
        ("StudyTime", b"10:11:12", b"10:11:12"),
        ("StudyTime", b"SMITH", None),
        ("TimezoneOffsetFromUTC", b"+0100", b"+0100"),
        ("TimezoneOffsetFromUTC", b"EARTH", None),
    ],
)
def test_known_values(keyword: str, given_: bytes, expected: bytes | None) -> None:
    assert cleaned(keyword, given_) == expected


@given(first=st.dates(dt.date(1903, 1, 1)), days=st.integers(-400, 400))
def test_intervals_stay_to_the_day(first: dt.date, days: int) -> None:
    second = min(max(first + dt.timedelta(days=min(days, 0)), dt.date(1903, 1, 1)), dt.date.max)
    moved = [cleaned("StudyDate", f"{day:%Y%m%d}".encode()) for day in (first, second)]
    read = [dt.datetime.strptime((each or b"").decode(), "%Y%m%d").date() for each in moved]  # noqa: DTZ007 - dates
    assert read[1] - read[0] == second - first
    assert first - read[0] == OFFSET


@settings(deadline=None)
@given(value=st.binary(max_size=40))
def test_no_bytes_crash_and_no_letters_leave(value: bytes) -> None:
    for keyword in ("StudyDate", "AcquisitionDateTime", "StudyTime", "TimezoneOffsetFromUTC"):
        left = cleaned(keyword, value)
        assert left is None or not any(chr(byte).isalpha() for byte in left)

"""Dates: moved back by the patient's own number of days; times of day stay.

PS3.15 Table E.1-1, Retain Longitudinal Temporal Information with Modified Dates (113107). Parts of
dates keep their precision, ranges move at both ends, and what is no date does not leave.
"""

import datetime as dt
import re

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule

_DATE = re.compile(r"(?P<year>\d{4})(?:(?P<dot>\.?)(?P<month>\d{2})(?:(?P=dot)(?P<day>\d{2}))?)?")
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}(?:\d{2}(?:\d{2})?)?)(?P<rest>(?:\d{2}){0,3}(?:\.\d{1,6})?)"
)
_ZONE = re.compile(r"[+-]\d{4}")
_TIME = re.compile(r"\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{1,6})?)?)?")
_WHOLE_DATE = 8


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:
    """Move each date of a value; None where one of them is none."""
    texts = value.decode("latin-1").strip("\0 ").split("\\")
    for days in context.moves or (context.offset_days,):
        moved = [_moved(each.strip(), attribute.vr, days) for each in texts]
        texts = [each for each in moved if each is not None]
        if len(texts) < len(moved):
            return None
    return "\\".join(texts).encode("ascii")


def _moved(text: str, vr: str, days: int) -> str | None:
    if not text:
        return ""
    if vr == "SH":
        return text if _ZONE.fullmatch(text) else None
    if vr == "TM":
        return _checked_range(text)
    if vr == "DT":
        return _moved_date_time(text, days)
    ends = [_moved_date(end, days) if end else "" for end in text.split("-", 1)]
    return None if None in ends else "-".join(end or "" for end in ends)


def _checked_range(text: str) -> str | None:
    ends = text.split("-", 1)
    return text if all(not end or _TIME.fullmatch(end) for end in ends) else None


def _moved_date_time(text: str, days: int) -> str | None:
    zone = _ZONE.search(text[4:])
    plain = text[: 4 + zone.start()] if zone else text
    match = _DATE_TIME.fullmatch(plain)
    if match is None or (match["rest"] and len(match["date"]) != _WHOLE_DATE):
        return None
    date = _moved_date(match["date"], days)
    if date is None:
        return None
    return date + match["rest"] + (zone[0] if zone else "")


def _moved_date(text: str, days: int) -> str | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        whole = dt.date(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1))
        moved = whole - dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    dot = match["dot"] or ""
    parts = [f"{moved.year:04d}"]
    if match["month"]:
        parts.append(f"{moved.month:02d}")
    if match["day"]:
        parts.append(f"{moved.day:02d}")
    return dot.join(parts)


PLUGIN = Rule(action="date_shifted", clean=clean)

"""Stored values in the words that people read."""

import datetime as dt

from sightline import clock

_PRIORITIES = {0: "routine", 1: "soon", 2: "urgent"}
_KINDS = {"SEG": "Segmentation", "SR": "Report", "OT": "Picture"}
_SEXES = {"F": "female", "M": "male", "O": "other"}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_GROUPS = 3


def person(name: str) -> str:
    """Write a DICOM person name (PS3.5 6.2.1) as `Family, Given Middle`, other scripts after it."""
    groups = [_person_group(group) for group in name.split("=")[:_GROUPS]]
    written = [group for group in groups if group]
    if not written:
        return "(no name)"
    first, *others = written
    return f"{first} ({', '.join(others)})" if others else first


def _person_group(group: str) -> str:
    family, given, middle, prefix, suffix = (*group.split("^"), "", "", "", "", "")[:5]
    parts = [part.strip() for part in (prefix, given, middle, suffix)]
    after = " ".join(part for part in parts if part)
    return ", ".join(part for part in (family.strip(), after) if part)


def sex(code: str) -> str:
    """Write a DICOM sex as a word; empty where it is not known."""
    return _SEXES.get(code, "")


def date(text: str) -> str:
    """Write `YYYYMMDD` as `YYYY-MM-DD`; empty where it is no date."""
    day = _day(text)
    return day.isoformat() if day else ""


def time(text: str) -> str:
    """Write `HHMMSS.ffffff`, or a beginning of it, as `HH:MM`; empty where it is shorter."""
    hours, minutes = text[:2], text[2:4]
    return f"{hours}:{minutes}" if minutes else ""


def age(birth_date: str, on: str) -> str:
    """Return the age on a day, such as `54 y` or `7 mo`; empty where a date is not known."""
    born, day = _day(birth_date), _day(on)
    if born is None or day is None or day < born:
        return ""
    months = (day.year - born.year) * 12 + day.month - born.month - (day.day < born.day)
    return f"{months // 12} y" if months >= 24 else f"{months} mo"  # noqa: PLR2004 - infants by month


def moment(seconds: float | None) -> str:
    """Write seconds since the epoch as a local day and time; empty for None."""
    if seconds is None:
        return ""
    local = dt.datetime.fromtimestamp(seconds, tz=dt.UTC).astimezone()
    return local.strftime("%Y-%m-%d %H:%M:%S")


def waiting(since: float) -> str:
    """Write how long ago a moment was, in its two largest units."""
    seconds = max(0, int(clock.timestamp() - since))
    if seconds < _MINUTE_S:
        return f"{seconds} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S} min"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S:02} min"
    return f"{seconds // _DAY_S} d {seconds % _DAY_S // _HOUR_S} h"


def priority(level: int | None) -> str:
    """Name a priority; `not assessed` for None."""
    return "not assessed" if level is None else _PRIORITIES[level]


def kind(modality: str) -> str:
    """Name what one of our objects is, by its DICOM modality."""
    return _KINDS.get(modality, modality)


def plain(name: str) -> str:
    """Write a name of ours without underscores."""
    return name.replace("_", " ")


def _day(text: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text, "%Y%m%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        return None

"""Dates in text: moved as every date of the patient is, in the form in which they were written.

A moved date stands in square brackets behind the word MOVED, so that a reader knows, and a second
cleaning does not move it again. Times of day stay.
"""

import calendar
import datetime as dt
import functools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sightline.deid.cleaning.expressions import any_case, any_of, joined
from sightline.deid.cleaning.spans import Found
from sightline.deid.cleaning.words import Languages, all_languages

MOVED = "[MOVED {}]"
NO_DATE = "[DATE]"
BIRTH_DATE = "[BIRTH DATE]"

_UNITS = r"(?!\s?(?:mm|cm|ml|HU|Gy|mg|%|µ|kg|ms)\b)"
_BEFORE = r"(?<!\d)(?<!\d[.,/-])(?<!\b[A-Za-z])(?<!\b[Tt][Hh])"
_NUMERIC = re.compile(
    rf"{_BEFORE}(\d{{1,2}})(\s?[./-]\s?)(\d{{1,2}})(\s?[./-]\s?)(\d{{4}}|['’]?\d{{2}})"
    rf"(?!\d|[./-]\d){_UNITS}"
)
_ISO = re.compile(r"(?<![\d.])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_COMPACT = re.compile(
    r"(?<![\w.])((?:19|20)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
    r"(?=(?:[T ]?\d{2}(?:\d{2}){1,2}(?:\.\d{1,6})?)?(?!\d)(?!\w))"
)
_MONTH_YEAR = re.compile(
    r"(?<!\d)(?<!\d[/.,-])(0?[1-9]|1[0-2])(\s?[/.]\s?|-)((?:19|20)\d{2})(?!\d|[/.-]\d)"
)
_FIRST_DAY = re.compile(r"(?<![\d.,/])(\d{1,2})\.(\s?[-–/]\s?|\s?bis\s)\Z")
_NEWEST_SHORT_YEAR = 40
_OLDEST, _NEWEST = 1880, 2199
_SOME_LEAP_YEAR = 2004
_MONTHS, _DAYS = 12, 31
_LONGEST_WEEKDAY = 24


class Day(NamedTuple):
    """A date as it was written; what was not written is None."""

    year: int | None
    month: int | None
    day: int | None


class Clock(NamedTuple):
    """How dates of a patient move, and which of them is the birth."""

    offset_days: int
    birth_dates: frozenset[Day]


def find_dates(text: str, languages: Languages, clock: Clock) -> Iterator[Found]:
    """Find every date; forms that say more come first."""
    return _Finder(text, languages, clock).all()


def is_moved(text: str, languages: Languages) -> bool:
    """Tell whether a text is one date, as stands within the brackets of a moved one."""
    return _whole(text, languages, Clock(1, frozenset())) is not None


def moved_once_more(text: str, languages: Languages, clock: Clock) -> str:
    """Return what takes the place of a moved date, brackets and all, when it moves once more."""
    found = _whole(text, languages, clock)
    return found.surrogate if found else NO_DATE


def _whole(text: str, languages: Languages, clock: Clock) -> Found | None:
    """Find the one date that a text is; some forms are dates only after a word that leads."""
    for lead in ("", "in ", "on "):
        for each in find_dates(lead + text, languages, clock):
            if each.start <= len(lead) and each.end == len(lead) + len(text):
                return each
    return None


class _Forms(NamedTuple):
    """Compiled patterns and tables of some languages."""

    day_month: re.Pattern[str]
    month_day: re.Pattern[str]
    month_year: re.Pattern[str]
    year: re.Pattern[str]
    led_day: re.Pattern[str]
    weekday: re.Pattern[str]
    births: re.Pattern[str]
    months: dict[str, tuple[str, ...]]
    weekdays: dict[str, tuple[str, ...]]


class _Finder:
    def __init__(self, text: str, languages: Languages, clock: Clock) -> None:
        self._text = text
        self._clock = clock
        self._forms = _forms(languages)
        is_month_first = all_languages()[languages[0]].is_month_first if languages else False
        days = (int(match[1]) for match in _NUMERIC.finditer(text) if "/" in match[2])
        self._is_month_first = is_month_first and not any(day > _MONTHS for day in days)

    def all(self) -> Iterator[Found]:
        forms = self._forms
        passes: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Found | None]], ...] = (
            (_ISO, self._iso),
            (_NUMERIC, self._numeric),
            (_COMPACT, self._compact),
            (forms.day_month, self._day_month),
            (forms.month_day, self._month_day),
            (forms.month_year, self._named_month_year),
            (_MONTH_YEAR, self._month_year),
            (forms.led_day, self._led_day),
            (forms.year, self._year),
        )
        for pattern, make in passes:
            for match in pattern.finditer(self._text):
                found = make(match)
                if found is not None:
                    yield found

    def _iso(self, match: re.Match[str]) -> Found | None:
        day = Day(int(match[1]), int(match[3]), int(match[4]))
        pad = len(match[3]) + len(match[4]) == 4  # noqa: PLR2004 - two digits each

        def write(moved: dt.date) -> str:
            month, day = (f"{each:02}" if pad else str(each) for each in (moved.month, moved.day))
            return f"{moved.year:04}{match[2]}{month}{match[2]}{day}"

        return self._found(match, day, write)

    def _compact(self, match: re.Match[str]) -> Found | None:
        day = Day(int(match[1]), int(match[2]), int(match[3]))
        return self._found(match, day, lambda moved: f"{moved:%Y%m%d}")

    def _numeric(self, match: re.Match[str]) -> Found | None:
        if match[2].strip() != match[4].strip():
            return None
        first, second, year = int(match[1]), int(match[3]), _year(match[5])
        is_month_first = match[2].strip() != "." and self._is_month_first
        if (first if is_month_first else second) > _MONTHS:
            is_month_first = not is_month_first
        month, day = (first, second) if is_month_first else (second, first)
        if month > _MONTHS or day > _DAYS or not month or not day:
            return None
        pad = len(match[1]) == len(match[3]) == 2  # noqa: PLR2004 - two digits each

        def write(moved: dt.date) -> str:
            parts = (moved.month, moved.day) if is_month_first else (moved.day, moved.month)
            one, other = (f"{each:02}" if pad else str(each) for each in parts)
            return f"{one}{match[2]}{other}{match[4]}{_like(match[5], moved.year)}"

        is_birth = Day(year, first, second) in self._clock.birth_dates
        if is_birth:
            return Found(match.start(), match.end(), "birth_date", BIRTH_DATE)
        return self._found(match, Day(year, month, day), write)

    def _day_month(self, match: re.Match[str]) -> Found | None:
        names = self._months(match[4])
        if names is None:
            return None
        number = names.index(match[4].lower()) + 1
        day = Day(_year(match[6]) if match[6] else None, number, int(match[1]))

        def write(moved: dt.date) -> str:
            ending = _ending(match[2] or "", moved.day)
            wide = len(match[1]) == 2 and match[1][0] == "0"  # noqa: PLR2004 - a padded day
            name = _cased(match[4], names[moved.month - 1])
            year = _like(match[6], moved.year) if match[6] else ""
            number = f"{moved.day:02}" if wide else str(moved.day)
            return f"{number}{ending}{match[3]}{name}{match[5] or ''}{year}"

        return self._found(match, day, write)

    def _month_day(self, match: re.Match[str]) -> Found | None:
        names = self._months(match[1])
        if names is None:
            return None
        year = _year(match[6]) if match[6] else None
        day = Day(year, names.index(match[1].lower()) + 1, int(match[3]))

        def write(moved: dt.date) -> str:
            name = _cased(match[1], names[moved.month - 1])
            end = f"{match[5]}{_like(match[6], moved.year)}" if match[6] else ""
            return f"{name}{match[2]}{moved.day}{_ending(match[4] or '', moved.day)}{end}"

        return self._found(match, day, write)

    def _named_month_year(self, match: re.Match[str]) -> Found | None:
        names = self._months(match[1])
        if names is None:
            return None
        day = Day(_year(match[3]), names.index(match[1].lower()) + 1, None)
        return self._found(
            match,
            day,
            lambda moved: (
                f"{_cased(match[1], names[moved.month - 1])}{match[2]}{_like(match[3], moved.year)}"
            ),
        )

    def _month_year(self, match: re.Match[str]) -> Found | None:
        wide = match[1][0] == "0" or len(match[1]) == 2  # noqa: PLR2004 - a padded month
        return self._found(
            match,
            Day(int(match[3]), int(match[1]), None),
            lambda moved: (
                f"{moved.month:02}{match[2]}{moved.year}"
                if wide
                else f"{moved.month}{match[2]}{moved.year}"
            ),
        )

    def _led_day(self, match: re.Match[str]) -> Found | None:
        first, second = int(match[1]), int(match[3])
        is_month_first = match[2] != "." and self._is_month_first
        month, day = (first, second) if is_month_first else (second, first)
        if month > _MONTHS or day > _DAYS:
            return None
        wide = len(match[1]) == len(match[3]) == 2  # noqa: PLR2004 - two digits each

        def write(moved: dt.date) -> str:
            parts = (moved.month, moved.day) if is_month_first else (moved.day, moved.month)
            one, other = (f"{each:02}" if wide else str(each) for each in parts)
            return f"{one}{match[2]}{other}{match[4]}"

        return self._found(match, Day(None, month, day), write, start=match.start(1))

    def _year(self, match: re.Match[str]) -> Found | None:
        start = match.start(1)
        return self._found(
            match, Day(int(match[1]), None, None), lambda moved: f"{moved.year}", start=start
        )

    def _found(
        self,
        match: re.Match[str],
        day: Day,
        write: Callable[[dt.date], str],
        *,
        start: int | None = None,
    ) -> Found | None:
        begin = match.start() if start is None else start
        if day in self._clock.birth_dates or self._is_birth(begin):
            return Found(begin, match.end(), "birth_date", BIRTH_DATE)
        moved = _moved(day, self._clock.offset_days)
        if moved is None:
            return Found(begin, match.end(), "date", NO_DATE)
        weekday = self._weekday(begin) if day.day and day.year else None
        written = write(moved)
        if weekday is not None:
            names = self._forms.weekdays[weekday[1].lower()]
            written = _cased(weekday[1], names[moved.weekday()]) + weekday[2] + written
            begin = weekday.start()
        elif day.day and day.year and match[0][0].isdigit():
            begin, written = self._with_first_day(begin, day, written)
        return Found(begin, match.end(), "date", MOVED.format(written))

    def _with_first_day(self, begin: int, day: Day, written: str) -> tuple[int, str]:
        """Take in the first day of a range, such as `12.-14.03.2021`."""
        first = _FIRST_DAY.search(self._text, max(0, begin - 8), begin)
        moved = _moved(day._replace(day=int(first[1])), self._clock.offset_days) if first else None
        last = _moved(day, self._clock.offset_days)
        if first is None or moved is None or last is None:
            return begin, written
        month = "" if moved.month == last.month else f"{moved.month}."
        return first.start(), f"{moved.day}.{month}{first[2]}{written}"

    def _weekday(self, begin: int) -> re.Match[str] | None:
        return self._forms.weekday.search(self._text, max(0, begin - _LONGEST_WEEKDAY), begin)

    def _is_birth(self, begin: int) -> bool:
        return self._forms.births.search(self._text, max(0, begin - 28), begin) is not None

    def _months(self, name: str) -> tuple[str, ...] | None:
        # Some months are words, too: `may`, `march`.
        is_word = name.islower() and name in {"may", "march", "mar", "dec", "sept", "jun"}
        return None if is_word else self._forms.months.get(name.lower())


def _moved(day: Day, offset_days: int) -> dt.date | None:
    year = _SOME_LEAP_YEAR if day.year is None else day.year
    if not _OLDEST <= year <= _NEWEST:
        return None
    try:
        return dt.date(year, day.month or 1, day.day or 1) - dt.timedelta(days=offset_days)
    except (ValueError, OverflowError):
        return None


def _year(text: str) -> int:
    number = int(text.lstrip("'’"))
    if len(text.lstrip("'’")) > 2:  # noqa: PLR2004 - a short year has two digits
        return number
    return number + (2000 if number <= _NEWEST_SHORT_YEAR else 1900)


def _like(sample: str, year: int) -> str:
    """Write a year as the sample is: four digits, two, or two behind an apostrophe."""
    if len(sample.lstrip("'’")) > 2:  # noqa: PLR2004 - a short year has two digits
        return f"{year:04}"
    mark = sample[0] if sample[0] in "'’" else ""
    return f"{mark}{year % 100:02}"


def _cased(sample: str, word: str) -> str:
    if sample.isupper():
        return word.upper()
    return word.capitalize() if sample[0].isupper() else word


def _ending(sample: str, day: int) -> str:
    if not sample or sample == ".":
        return sample
    ending = "th" if day in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return ending.upper() if sample.isupper() else ending


@functools.cache
def _forms(languages: Languages) -> _Forms:
    chosen = [all_languages()[name] for name in languages]
    months: dict[str, tuple[str, ...]] = {}
    weekdays: dict[str, tuple[str, ...]] = {}
    for language in chosen:
        for table in language.months:
            for name in table:
                months.setdefault(name, table)
        for table in language.weekdays:
            for name in table:
                weekdays.setdefault(name, table)
    month, weekday = any_of(months), any_of(weekdays)
    words = any_of({word for language in chosen for word in language.date_words})
    leads, births = joined(chosen, "year_leads"), joined(chosen, "birth_labels")
    year = r"(?:(?:19|20)\d{2}|['’]\d{2})"

    return _Forms(
        day_month=any_case(
            rf"(?<!\d)(?<!\d[.,:])(\d{{1,2}})(st|nd|rd|th|\.)?([\s-]{{0,3}}(?:(?:{words})\s{{1,2}})?)"
            rf"({month})(?![^\W\d_])(?:(\.?,?[\s-]{{0,3}}(?:(?:{words})\s{{1,2}})?)"
            rf"({year}|(?<=-)\d{{2}})(?!\d))?"
        ),
        month_day=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])({month})(\.?\s{{0,3}}(?:(?:{words})\s{{1,2}})?)(\d{{1,2}})"
            rf"(st|nd|rd|th)?(?:(\s?,?\s{{0,3}})({year})(?!\d)|(?!\d|[.,]\d){_UNITS})"
        ),
        month_year=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])({month})(\.?,?\s{{0,3}}(?:(?:{words})\s{{1,2}})?|-)({year})(?!\d)"
        ),
        year=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{leads})[\s(]{{1,2}}((?:19|20)\d{{2}})(?!\d|[.,/-]\d){_UNITS}"
        ),
        led_day=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{leads}|on|am|vom|zum|dated)\s{{1,2}}(\d{{1,2}})([./])(\d{{1,2}})"
            rf"(\.?)(?!\d|[./]\d){_UNITS}"
        ),
        weekday=any_case(
            rf"(?<![^\W\d_])({weekday})([.,]{{0,2}}\s{{0,2}}(?:(?:{words})\s{{1,2}})?)\Z"
        ),
        births=any_case(rf"(?<![^\W\d_])(?:{births})[\s:.*(]{{0,4}}\Z"),
        months=months,
        weekdays=weekdays,
    )


def birth_day(text: str) -> Day | None:
    """Read a date of the records, `YYYYMMDD`; None where it is none."""
    if len(text) != 8 or not text.isascii() or not text.isdigit():  # noqa: PLR2004 - YYYYMMDD
        return None
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:])
    is_day = 1 <= month <= _MONTHS and 1 <= day <= calendar.monthrange(max(year, 1), month)[1]
    return Day(year, month, day) if is_day else None

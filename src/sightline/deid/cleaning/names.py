"""Names of persons in text: after titles, roles and labels, before degrees, in signatures.

What is a word of a list is a name only where its place says so; an eponym only behind a title. A
name that was found once is found wherever else it stands.
"""

import bisect
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sightline.deid.cleaning.expressions import any_case, any_of, joined
from sightline.deid.cleaning.known import COMPANIONS, PATIENT, Occurrence
from sightline.deid.cleaning.words import (
    Languages,
    Word,
    all_languages,
    forms_of,
    is_eponym,
    is_given_name,
    is_listed_name,
    is_ordinary,
    stop_words,
)

_PARTICLES = frozenset(
    "von van de der den di da del della dos du zu zur zum vom la le el al bin ibn ben ter ten af"
    " y o st mc mac".split()
)
_LONGEST_INITIALS = 2
_MOST_UNITS = 6
_MOST_IN_LIST = 12
_SHORTEST_SPREAD = 4
_LONGEST_LINE, _LINES_AFTER_GREETING = 90, 5
_MOST_IN_SIGNATURE = 6
_JOIN = re.compile(
    r"[ \t\u00a0]{1,12}|[ \t]{0,3}\r?\n[ \t]{0,12}|-[ \t]{0,2}(?:\r?\n[ \t]{0,4})?"
    r"|\.[ \t\u00a0]{0,3}(?:\r?\n)?|\^|"
)
_COMMA = re.compile(r"\s{0,2},\s{0,3}|\^")
_AND = re.compile(r"(?:\s{0,3}[,;/&+|]\s{0,3}|\s{1,3})(?:(?:and|und|sowie|or|oder)\s{1,3})?")
_BLANKS = re.compile(r"[\s:>*\"„“'’(–-]{0,12}")
_SAME_LINE = re.compile(r"[ \t,(\u00a0]{1,4}|\s")
_ANATOMY = frozenset("A V N M R L G S C T B E H P F K".split())
_LATIN = re.compile(r".*(?:is|us|a|ae|um|i|ior|ns|ps|ii|orum|arum|ium|coli|ori)", re.IGNORECASE)


_WEAK, _LED, _TITLED = range(3)


class _Leads(NamedTuple):
    """Compiled patterns of some languages: what names follow."""

    titles: re.Pattern[str]
    labels: re.Pattern[str]
    leads: re.Pattern[str]
    greetings: re.Pattern[str]
    credentials: frozenset[str]
    jobs: frozenset[str]
    hints: dict[str, bool]
    title_words: frozenset[str]
    title_parts: frozenset[str]


class Name(NamedTuple):
    """A stretch of text that names a person, and the form by which they are told from others."""

    start: int
    end: int
    person: str


class NameFinder:
    """Finds the names of one text."""

    def __init__(
        self,
        text: str,
        words: Sequence[Word],
        *,
        languages: Languages,
        known: Sequence[Occurrence],
    ) -> None:
        self._text = text
        self._words = words
        self._starts = [word.start for word in words]
        self._leads = _leads(languages)
        first = all_languages()[languages[0]] if languages else None
        self._has_capital_nouns = first is None or first.has_capital_nouns
        self._known = {
            number: each.person
            for each in known
            for number in range(
                bisect.bisect_left(self._starts, each.start),
                bisect.bisect_left(self._starts, each.end),
            )
        }
        self._is_taken = bytearray(len(words))

    def all(self) -> list[Name]:
        """Return every name, those that are certain first."""
        found = [name for units in self._certain() for name in self._named(units)]
        found += [name for units in self._likely() for name in self._named(units)]
        return found + list(self._again(found))

    def _certain(self) -> Iterator[list[int]]:
        for match in self._leads.titles.finditer(self._text):
            # In capitals MR is a modality, and a blank may stand for a line.
            is_short = match[1].isupper() and len(match[1]) <= _LONGEST_INITIALS
            is_weak = is_short and not match[0].rstrip().endswith(".")
            yield from self._list_at(match.end(), strength=_LED if is_weak else _TITLED)
        for pattern in (self._leads.leads, self._leads.labels):
            for match in pattern.finditer(self._text):
                yield from self._list_at(match.end(), strength=_LED)
        yield from self._signatures()
        yield from self._before_credentials()

    def _likely(self) -> Iterator[list[int]]:
        for number, word in enumerate(self._words):
            if self._is_taken[number] or not word.text[0].isupper():
                continue
            units = self._likely_at(number, word.text)
            if units:
                yield units

    def _likely_at(self, number: int, text: str) -> list[int]:  # noqa: PLR0911 - the first sign decides
        before = self._words[number - 1] if number else None
        if len(text) == 1:
            return self._after_initial(number)
        if not self._may_be_name(text):
            return []
        units = self._units_at(number, strength=_WEAK)
        if len(units) > 1 and self._is_sure(units):
            return units
        if is_listed_name(text) and not is_eponym(text):
            more = self._after_comma(number)
            if more:
                return [number, *more]
        if before is None or not self._is_beside(before, self._words[number]):
            return []
        return units if self._is_hinted(before.text, units) else []

    def _is_sure(self, units: Sequence[int]) -> bool:
        texts = [self._words[each].text for each in units]
        is_title_case = all(len(each) > _LONGEST_INITIALS and not each.isupper() for each in texts)
        if is_title_case and not self._has_capital_nouns:
            return any(map(is_listed_name, texts))
        return any(map(is_given_name, texts)) and all(
            is_listed_name(each) or not is_ordinary(each) for each in texts
        )

    def _is_hinted(self, before: str, units: Sequence[int]) -> bool:
        texts = [self._words[each].text for each in units]
        if not texts:
            return False
        is_listed = any(is_listed_name(each) and not is_eponym(each) for each in texts)
        lower = before.lower()
        # `with COVID` and `or Westermark sign` name nobody.
        is_acronym = texts[0].isupper() and before.islower()
        end = self._words[units[-1]].end
        after = self._text[end : end + 24]
        if not is_listed and (is_acronym or COMPANIONS.match(after)):
            return False
        if lower in self._leads.hints:
            return is_listed or self._leads.hints[lower]
        if self._has_capital_nouns:
            return False
        is_word = before.islower() or before == "I"
        is_title_case = all(not each.isupper() for each in texts)
        return is_word and is_title_case and len(texts[0]) > _LONGEST_INITIALS

    def _after_initial(self, number: int) -> list[int]:
        """Return an initial and the name behind it, such as `J. Kowal`; not `A. carotis`."""
        word = self._words[number]
        if self._text[word.end : word.end + 1] != "." or number + 1 >= len(self._words):
            return []
        units = self._units_at(number, strength=_WEAK)
        last = self._words[units[-1]].text if units else ""
        if len(last) <= _LONGEST_INITIALS or not self._may_be_name(last) or is_eponym(last):
            return []
        if word.text in _ANATOMY and self._has_capital_nouns and _LATIN.fullmatch(last):
            return []
        return units

    def _after_comma(self, number: int) -> list[int]:
        """Return the given names behind a family name and a comma."""
        word = self._words[number]
        comma = _COMMA.match(self._text, word.end)
        if comma is None or number + 1 >= len(self._words):
            return []
        next_ = self._words[number + 1]
        if next_.start != comma.end() or not is_given_name(next_.text) or is_ordinary(next_.text):
            return []
        return self._units_at(number + 1, strength=_WEAK)

    def _list_at(self, at: int, *, strength: int) -> Iterator[list[int]]:
        """Return the names that stand from `at` on, one after another."""
        number = self._word_at(at)
        for _ in range(_MOST_IN_LIST):
            if number is None:
                return
            number = self._behind_titles(number)
            units = self._units_at(number, strength=strength)
            if not units:
                return
            if strength == _LED:
                units += self._given_after_comma(units)
            yield units
            number = self._next_of_list(units[-1])
            strength = _WEAK

    def _given_after_comma(self, units: list[int]) -> list[int]:
        end = self._words[units[-1]].end
        comma = _COMMA.match(self._text, end)
        following = units[-1] + 1
        if comma is None or following >= len(self._words):
            return []
        if self._words[following].start != comma.end():
            return []
        word = self._words[following].text
        if word.lower() in self._leads.credentials | self._leads.title_words:
            return []
        more = self._units_at(following, strength=_WEAK)
        if not more and len(word) > _LONGEST_INITIALS and is_given_name(word) and word[0].isupper():
            more = [following]
        return more

    def _next_of_list(self, last: int) -> int | None:
        if last + 1 >= len(self._words):
            return None
        following = last + 1
        gap = self._text[self._words[last].end : self._words[following].start]
        if self._words[following].text.lower() in {"and", "und", "sowie", "or", "oder", "&"}:
            following += 1
            if following >= len(self._words):
                return None
            gap = self._text[self._words[last].end : self._words[following].start]
        if not _AND.fullmatch(gap) or not gap.strip() or self._begins_label(following):
            return None
        word = self._words[following].text
        is_short = word.isupper() and len(word) <= _SHORTEST_SPREAD
        return None if is_short and not self._words[last].text.isupper() else following

    def _word_at(self, at: int) -> int | None:
        """Return the word that follows a position with nothing but blanks and signs between."""
        blanks = _BLANKS.match(self._text, at)
        end = blanks.end() if blanks else at
        number = bisect.bisect_left(self._starts, at)
        is_next = number < len(self._words) and self._words[number].start <= end
        return number if is_next else None

    def _behind_titles(self, number: int) -> int:
        titles = self._leads.title_words | self._leads.title_parts
        for at in range(number, min(number + _MOST_UNITS, len(self._words) - 1)):
            word, following = self._words[at], self._words[at + 1]
            gap = self._text[word.end : following.start]
            if word.text.lower() not in titles or len(gap) > 4 or gap.strip(" .\t\r\n,-:"):  # noqa: PLR2004
                return at
        return number

    def _units_at(self, number: int, *, strength: int) -> list[int]:
        """Return the words of the name that begins with a word; none where there is none."""
        units: list[int] = []
        for at in range(number, min(number + _MOST_UNITS, len(self._words))):
            if not self._belongs(at, units, strength=strength):
                break
            units.append(at)
        while units and (
            self._words[units[-1]].text.lower() in _PARTICLES
            or self._words[units[-1]].text.islower()
        ):
            units.pop()
        is_only_initials = all(len(self._words[each].text) == 1 for each in units)
        return [] if is_only_initials else units

    def _belongs(  # noqa: PLR0911 - the first condition that holds decides
        self, at: int, units: list[int], *, strength: int
    ) -> bool:
        word = self._words[at]
        text, lower = word.text, word.text.lower()
        if units and not self._is_joined(units[-1], at):
            return False
        if at in self._known and not text.islower():
            return True
        if lower in _PARTICLES and not (text.isupper() and is_ordinary(text)):
            return bool(units) or not self._has_capital_nouns or strength > _WEAK
        if len(text) == 1 and text.isupper():
            return True
        # May and Will are names behind a title.
        is_titled = strength == _TITLED and not units and text.istitle() and is_listed_name(text)
        is_no_name = lower in stop_words() or lower in self._leads.jobs
        if not text[0].isupper() or (is_no_name and not is_titled):
            return False
        if strength == _WEAK and self._text[word.end : word.end + 1] == ":":
            return False
        if lower in self._leads.credentials and text != text.capitalize():
            return False
        if all(len(self._words[each].text) == 1 for each in units):
            return self._begins(at, text, strength=min(strength + bool(units), _TITLED))
        return self._continues(at, text, units) or (strength > _WEAK and self._may_end(at, units))

    def _begins(self, at: int, text: str, *, strength: int) -> bool:
        if self._may_be_name(text):
            return True
        if strength == _TITLED:
            return True
        if strength == _WEAK:
            return is_listed_name(text) and not is_eponym(text) and not is_ordinary(text)
        return is_eponym(text) or is_listed_name(text) or self._is_before_name(at, text)

    def _is_before_name(self, at: int, text: str) -> bool:
        """Tell whether a word that may be no name stands before one that is, in one line."""
        if at + 1 >= len(self._words) or text.isupper():
            return False
        following = self._words[at + 1]
        gap = self._text[self._words[at].end : following.start]
        is_name = following.text[0].isupper() and self._may_be_name(following.text)
        return gap == " " and is_name and not self._begins_label(at + 1)

    def _continues(self, at: int, text: str, units: Sequence[int]) -> bool:
        last = self._words[units[-1]]
        if text.isupper() != last.text.isupper() and len(last.text) > 1:
            return text.isupper() and len(text) >= _SHORTEST_SPREAD and not is_ordinary(text)
        if not is_ordinary(text):
            return True
        gap = self._text[last.end : self._words[at].start]
        return "\n" not in gap and is_listed_name(text)

    def _may_end(self, at: int, units: Sequence[int]) -> bool:
        """Tell whether a word that is a word and a name, too, ends a name that began as one."""
        text = self._words[at].text
        gap = self._text[self._words[units[-1]].end : self._words[at].start]
        is_alike = text.isupper() == self._words[units[-1]].text.isupper()
        return len(units) == 1 and gap == " " and is_alike and is_eponym(text)

    def _is_joined(self, last: int, at: int) -> bool:
        gap = self._text[self._words[last].end : self._words[at].start]
        if _JOIN.fullmatch(gap) is None:
            return False
        is_initial = len(self._words[last].text) == 1
        is_short = self._words[last].text.lower() in _PARTICLES | {"jr", "sr", "st"}
        if is_initial and gap.startswith("-"):
            return False
        if gap.startswith(".") and not (is_initial or is_short):
            return False
        if len(gap.strip("\r\n")) > _LONGEST_INITIALS and not gap.strip(" \t\u00a0"):
            return False
        return "\n" not in gap or not self._begins_label(at)

    def _begins_label(self, at: int) -> bool:
        sign = self._text[self._words[at].end : self._words[at].end + 1]
        return sign == ":" or (sign == "." and 1 < len(self._words[at].text) <= _SHORTEST_SPREAD)

    def _may_be_name(self, text: str) -> bool:
        return not is_ordinary(text) and not is_eponym(text) and text.lower() not in stop_words()

    def _is_beside(self, before: Word, word: Word) -> bool:
        return _SAME_LINE.fullmatch(self._text, before.end, word.start) is not None

    def _signatures(self) -> Iterator[list[int]]:
        """Return names that stand alone on a line below a greeting or above what somebody is."""
        left = 0
        lines = list(re.finditer(r"[^\r\n]+", self._text))
        for line, below in zip(lines, [*lines[1:], None], strict=False):
            if self._leads.greetings.match(line[0].lstrip()[:_LONGEST_LINE]):
                left = _LINES_AFTER_GREETING
                continue
            is_above_job = below is not None and self._begins_with_job(below)
            if left or is_above_job:
                yield from self._names_on(line)
            left = max(0, left - 1)

    def _begins_with_job(self, line: re.Match[str]) -> bool:
        number = bisect.bisect_left(self._starts, line.start())
        if number >= len(self._words) or self._words[number].end > line.end():
            return False
        return self._words[number].text.lower() in self._leads.jobs

    def _names_on(self, line: re.Match[str]) -> Iterator[list[int]]:
        if len(line[0]) > _LONGEST_LINE:
            return
        first = bisect.bisect_left(self._starts, line.start())
        last = bisect.bisect_left(self._starts, line.end())
        if last - first > _MOST_IN_SIGNATURE:
            return
        at = first
        while at < last:
            units = self._units_at(at, strength=_WEAK)
            if units:
                yield units
            at = units[-1] + 1 if units else at + 1

    def _before_credentials(self) -> Iterator[list[int]]:
        for number, word in enumerate(self._words):
            if word.text.lower() not in self._leads.credentials or not word.text[0].isupper():
                continue
            first = number
            while first and number - first < _SHORTEST_SPREAD:
                before = self._words[first - 1]
                gap = self._text[before.end : self._words[first].start]
                if gap.strip(" ,.\t") or not before.text[0].isupper():
                    break
                if (
                    len(before.text) > 1
                    and not self._may_be_name(before.text)
                    and not (
                        is_listed_name(before.text) and before.text.lower() not in stop_words()
                    )
                ):
                    break
                first -= 1
            units = list(range(first, number))
            if any(len(self._words[each].text) > 1 for each in units):
                yield units

    def _named(self, units: list[int]) -> Iterator[Name]:
        for each in units:
            self._is_taken[each] = 1
        persons = [self._known[each] for each in units if each in self._known]
        start, end = self._words[units[0]].start, self._words[units[-1]].end
        if persons:
            yield Name(start, end, PATIENT if PATIENT in persons else persons[0])
            return
        has_comma = any(
            "," in self._text[self._words[one].end : self._words[other].start]
            for one, other in itertools.pairwise(units)
        )
        long = [each for each in units if len(self._words[each].text) > 1]
        family = long[0] if has_comma else long[-1]
        yield Name(start, end, forms_of(self._words[family].text)[0])

    def _again(self, found: Sequence[Name]) -> Iterator[Name]:
        """Return other places where parts of found names stand."""
        persons: dict[str, str] = {}
        for each in found:
            for word in re.findall(r"[^\W\d_]+", self._text[each.start : each.end]):
                is_name = self._may_be_name(word) or (
                    is_listed_name(word) and not is_ordinary(word)
                )
                if len(word) >= _SHORTEST_SPREAD and is_name and not is_eponym(word):
                    persons.setdefault(forms_of(word)[0], each.person)
        if not persons:
            return
        for number, word in enumerate(self._words):
            if not self._is_taken[number] and word.text[0].isupper():
                person = persons.get(forms_of(word.text)[0])
                if person is not None:
                    yield Name(word.start, word.end, person)


@functools.cache
def _leads(languages: Languages) -> _Leads:
    chosen = [all_languages()[name] for name in languages]
    titles = frozenset().union(*(each.titles for each in chosen))
    parts = frozenset().union(*(each.title_parts for each in chosen))

    said = functools.partial(joined, chosen)
    return _Leads(
        titles=any_case(
            rf"(?<![^\W_])(?=[^\W\d_])({any_of(titles)})(?![^\W\d_])(?:\.in\b|\.|\b)"
            rf"(?:[\s.,-]{{0,3}}(?:{any_of(parts)})(?![^\W\d_])(?:\.in\b|\.)?){{0,6}}"
        ),
        labels=any_case(
            rf"(?<![^\W\d_])(?=[^\W\d_])(?:{said('labels')})\s{{0,3}}(?:\([^()\n]{{0,20}}\)\s?)?[:/]"
        ),
        leads=any_case(rf"(?<![^\W\d_])(?=[^\W\d_])(?:{said('leads')})(?![^\W\d_])[\s:]{{0,4}}"),
        greetings=any_case(rf"(?:{said('greetings')})[\s,.!]{{0,4}}$"),
        credentials=frozenset().union(*(each.credentials for each in chosen)),
        jobs=frozenset().union(*(each.jobs for each in chosen)),
        hints={word: not each.has_capital_nouns for each in chosen for word in each.hints},
        title_words=titles,
        title_parts=parts,
    )

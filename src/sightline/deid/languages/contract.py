"""What a language says of how its reports name people, dates, numbers and places."""

import dataclasses

from sightline.registry import Registry


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """One language. Words are lower case; a pattern is a part of a regular expression.

    Patterns are tried without regard to case unless said otherwise, hold no group, and repeat
    nothing without a bound, so that time stays linear in the text.

    Attributes:
        stop_words: frequent little words, by which the language is told; never a name.
        months: tables of twelve names, one table a way of writing them.
        weekdays: tables of seven names from Monday.
        is_month_first: whether 3/12/21 is in March.
        has_capital_nouns: whether every noun begins with a capital letter.
        date_words: words within dates, such as `of`.
        titles: words that a name follows.
        title_parts: what may stand between a title and the name, such as `med`.
        jobs: words for what somebody is; they end a name, and stand below it in signatures.
        credentials: written behind a name, such as `MD`.
        labels: pattern of what a colon and a name follow.
        leads: pattern of what a name follows with or without a colon.
        hints: words before which only what looks like no other word is a name, such as `with`.
        greetings: pattern of what ends a letter; names follow on the next lines.
        id_labels: pattern of what stands before a number that names the patient or a case.
        phone_labels: pattern of what stands before a telephone number.
        birth_labels: pattern of what stands before a date of birth.
        streets: pattern of a street with its number, with regard to case.
        towns: pattern of a postcode and its town, with regard to case.
        place_leads: pattern of what stands before the name of a town.
        institutions: pattern of the name of a hospital or practice, with regard to case.
        wards: pattern of what stands before the name of a ward or room.
        ages: pattern of what follows an age in years.
        age_labels: pattern of what stands before an age.
        year_leads: pattern of what stands before a year alone.
        words: files of words that are no names, beside this one.
    """

    stop_words: frozenset[str]
    months: tuple[tuple[str, ...], ...]
    weekdays: tuple[tuple[str, ...], ...]
    is_month_first: bool
    has_capital_nouns: bool
    date_words: tuple[str, ...]
    titles: frozenset[str]
    title_parts: frozenset[str]
    jobs: frozenset[str]
    credentials: frozenset[str]
    labels: str
    leads: str
    hints: frozenset[str]
    greetings: str
    id_labels: str
    phone_labels: str
    birth_labels: str
    streets: str
    towns: str
    place_leads: str
    institutions: str
    wards: str
    ages: str
    age_labels: str
    year_leads: str
    words: tuple[str, ...]


LANGUAGES: Registry[Language] = Registry(
    package="sightline.deid.languages", kind=Language, skip=frozenset({"contract"})
)

"""Write the lists of names and words of the cleaner of free text, and the names it is judged by.

Names come from Faker (MIT), English words from SCOWL's small list (a permissive licence of its
own). Names that the tests tune on or judge by are drawn first and never stand in a shipped list.
Run it where
both are installed: `python tools/name_lists.py /usr/share/dict/american-english-small`.
"""

import importlib
import json
import random
import re
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "src" / "sightline" / "deid" / "languages"
TESTS = ROOT / "tests" / "deid" / "reports"
GERMAN = ("de_DE", "de_AT", "de_CH", "tr_TR", "pl_PL", "hr_HR")
ENGLISH = ("en_US", "en_GB", "en_IE", "en_IN", "es_ES", "it_IT", "en_NG")
OTHERS = ("fr_FR", "nl_NL", "sv_SE", "ro_RO", "cs_CZ", "hu_HU", "pt_PT", "da_DK", "no_NO", "fi_FI")
FAKER = """\
# Names of persons, lower case, without accents; from Faker (https://github.com/joke2k/faker),
# licence MIT, Copyright (c) 2012 Daniele Faraglia. Written by tools/name_lists.py.
"""
SCOWL = """\
# Common English words; from SCOWL's small list (http://wordlist.sourceforge.net).
# Copyright 2000-2011 by Kevin Atkinson
# Permission to use, copy, modify, distribute and sell these word lists, the associated scripts,
# the output created from the scripts, and its documentation for any purpose is hereby granted
# without fee, provided that the above copyright notice appears in all copies and that both that
# copyright notice and this permission notice appear in supporting documentation. Kevin Atkinson
# makes no representations about the suitability of this array for any purpose. It is provided
# "as is" without express or implied warranty.
# Written by tools/name_lists.py.
"""
_LATIN = re.compile(r"[^\W\d_]{3,}(?:[-' ][^\W\d_]{3,})?")


def main() -> None:
    """Write the shipped lists and the lists of the tests."""
    words = read_words(Path(sys.argv[1]))
    chance = random.Random(20260101)  # noqa: S311 - a repeatable draw, no secret
    given = {kind: names(locales, "first_names") for kind, locales in kinds()}
    family = {kind: names(locales, "last_names") for kind, locales in kinds()}
    drawn: set[str] = set()
    for use in ("tuning", "judging"):
        lists: dict[str, list[str]] = {}
        for kind in ("german", "english"):
            lists[f"{kind}_given"] = draw(given[kind], words | drawn, chance, count=90)
            lists[f"{kind}_family"] = draw(family[kind], words | drawn, chance, count=130)
            drawn |= {fold(each) for name in lists.values() for each in name}
        towns = [each for each in german_towns() if fold(each) not in drawn]
        lists["german_towns"] = sorted(chance.sample(towns, 60))
        drawn |= {fold(each) for each in lists["german_towns"]}
        text = json.dumps(lists, ensure_ascii=False, indent=1)
        (TESTS / f"{use}_names.json").write_text(text + "\n", encoding="utf-8")
    write("given_names.txt", FAKER, parts(given) - drawn)
    write("family_names.txt", FAKER, parts(family) - drawn)
    write("english_words.txt", SCOWL, words)


def kinds() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the locales by what they are drawn for."""
    return ("german", GERMAN), ("english", ENGLISH), ("other", OTHERS)


def names(locales: Iterable[str], attribute: str) -> set[str]:
    """Return the names of some locales in Latin letters."""
    found: set[str] = set()
    for locale in locales:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for suffix in ("", "_male", "_female", "_nonbinary"):
            for name in getattr(provider, attribute + suffix, ()):
                if (
                    _LATIN.fullmatch(name)
                    and fold(name).replace("-", "").replace(" ", "").isascii()
                ):
                    found.add(name)
    return found


def german_towns() -> list[str]:
    """Return towns of Germany."""
    provider = importlib.import_module("faker.providers.address.de_DE").Provider
    return sorted(provider.city_names if hasattr(provider, "city_names") else provider.cities)


def draw(pool: set[str], taken: set[str], chance: random.Random, *, count: int) -> list[str]:
    """Draw names that are neither words nor drawn already."""
    free = sorted(name for name in pool if fold(name) not in taken and " " not in name)
    return sorted(chance.sample(free, count))


def parts(by_kind: dict[str, set[str]]) -> set[str]:
    """Return the single words of names."""
    folded = (fold(name) for found in by_kind.values() for name in found)
    return {part for name in folded for part in re.split(r"[-' ]", name) if len(part) > 2}  # noqa: PLR2004


def fold(text: str) -> str:
    """Return a name in lower case without accents, as the cleaner looks it up."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def read_words(path: Path) -> set[str]:
    """Return the words of a list that are no proper names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if re.fullmatch(r"[a-z]{2,}", line)}


def write(name: str, head: str, words: set[str]) -> None:
    """Write a list, many words a line."""
    lines: list[str] = []
    line = ""
    for word in sorted(words):
        if len(line) + len(word) >= 100:  # noqa: PLR2004 - as wide as code
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    (SHIPPED / name).write_text(head + "\n".join([*lines, line]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

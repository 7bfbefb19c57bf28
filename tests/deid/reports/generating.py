"""Reports with planted identifiers: the mechanism, which knows no template and no name.

A template is text with `{slots}` that are identifiers and `<3-40>` that are numbers. What a slot
holds and in which form it is written, each set of templates says for itself.
"""

import dataclasses
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sightline.deid.known_identifiers import KnownIdentifiers

_SLOT = re.compile(r"\{(\w+)\}|<(\d+)-(\d+)>")
_PLAIN, _CAPITALS, _WRAPPED, _GLUED, _SPACED, _WINDOWS = range(6)
_FORMS = (_PLAIN,) * 10 + (_CAPITALS,) * 2 + (_WRAPPED,) * 3 + (_GLUED,) * 2 + (_SPACED, _WINDOWS)
_MOST_SPACED = 12


class Filled(NamedTuple):
    """What a slot holds: the text, its kind, and whether the patient's records know it."""

    text: str
    kind: str
    is_known: bool


class Case(NamedTuple):
    """One patient: how slots are filled, and what the records know."""

    slots: Mapping[str, Callable[[random.Random], Filled]]
    record: KnownIdentifiers


class Planted(NamedTuple):
    """An identifier in a report."""

    start: int
    end: int
    kind: str
    is_known: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A generated report."""

    text: str
    planted: tuple[Planted, ...]
    record: KnownIdentifiers
    language: str


def report_of(
    templates: Sequence[str], case: Case, chance: random.Random, *, language: str
) -> Report:
    """Fill templates, one after another, and write them in one of the forms that reports have."""
    pieces = [piece for each in templates for piece in _pieces(each, case, chance)]
    pieces = _formed(pieces, chance.choice(_FORMS), chance)
    text, planted = "", []
    for piece in pieces:
        if piece.kind:
            end = len(text) + len(piece.text)
            planted.append(Planted(len(text), end, piece.kind, piece.is_known))
        text += piece.text
    return Report(text=text, planted=tuple(planted), record=case.record, language=language)


def _pieces(template: str, case: Case, chance: random.Random) -> list[Filled]:
    pieces, at = [], 0
    for match in _SLOT.finditer(template):
        pieces.append(Filled(template[at : match.start()], "", is_known=False))
        if match[1]:
            pieces.append(case.slots[match[1]](chance))
        else:
            number = str(chance.randint(int(match[2]), int(match[3])))
            pieces.append(Filled(number, "", is_known=False))
        at = match.end()
    return [*pieces, Filled(template[at:], "", is_known=False)]


def _formed(pieces: list[Filled], form: int, chance: random.Random) -> list[Filled]:
    if form == _CAPITALS:
        return [piece._replace(text=piece.text.upper()) for piece in pieces]
    if form == _WRAPPED:
        return [piece._replace(text=_wrapped(piece.text, chance)) for piece in pieces]
    if form == _GLUED:
        after = [*pieces[1:], Filled("", "", is_known=False)]
        pairs = zip(pieces, after, strict=True)
        return [_glued(piece) if next_.kind else piece for piece, next_ in pairs]
    if form == _SPACED:
        return [_spaced(piece, chance) for piece in pieces]
    end = "\r\n" if form == _WINDOWS else "\n"
    return [piece._replace(text=piece.text.replace("\n", end)) for piece in pieces]


def _wrapped(text: str, chance: random.Random) -> str:
    return re.sub(" ", lambda _: "\n" if chance.random() < 1 / 9 else " ", text)


def _glued(piece: Filled) -> Filled:
    """Leave out the blank between a label or an abbreviation and what follows."""
    is_label = piece.text.endswith((": ", ". ", ", "))
    return piece._replace(text=piece.text[:-1]) if is_label and not piece.kind else piece


def _spaced(piece: Filled, chance: random.Random) -> Filled:
    """Write a name of the records as poor text recognition does, with its letters apart."""
    is_name = piece.kind in {"patient", "physician"} and piece.is_known
    is_short = piece.text.isalpha() and len(piece.text) <= _MOST_SPACED
    if is_name and is_short and chance.random() < 1 / 2:
        return piece._replace(text=" ".join(piece.text))
    return piece

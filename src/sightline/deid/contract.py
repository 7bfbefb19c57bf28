"""What a de-identification rule is: it looks at one value and says what may leave of it."""

import dataclasses
import secrets
from collections.abc import Callable
from typing import TypeAlias

from sightline.deid.attributes import Attribute
from sightline.deid.vault import Vault
from sightline.deid.vocabulary import NO_WORDS, Words
from sightline.registry import Registry
from sightline.values.identity import Patient, SubjectId


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """For whom and where a value is cleaned.

    Attributes:
        offset_days: by how many days dates move back.
        charset: Python codec of the instance's text.
        site_words: words that may stand in text besides the lists of this room.
        names: words of the names that the instance holds, lower case; no description with one
            leaves, though it be on a list.
    """

    vault: Vault
    subject_id: SubjectId
    offset_days: int
    charset: str = "latin-1"
    site_words: Words = NO_WORDS
    names: Words = NO_WORDS


def trial_context() -> Context:
    """Return a context with a key of its own, for trying a rule."""
    vault = Vault(secrets.token_bytes(32))
    patient = Patient(patient_id="TRIAL")
    return Context(
        vault=vault,
        subject_id=vault.pseudonym(patient),
        offset_days=vault.date_offset_days(patient),
    )


Decision: TypeAlias = Callable[[bytes, Attribute, Context], bytes | None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One kind of value and what may leave of it.

    Attributes:
        action: what the certificate counts when a value leaves, such as `date_shifted`.
        clean: returns the value that leaves, or None where nothing of it may; then the Type of
            the attribute decides between a placeholder, an empty value and no attribute.
    """

    action: str
    clean: Decision


RULES: Registry[Rule] = Registry(
    package="sightline.deid",
    kind=Rule,
    skip=frozenset(
        {
            "attributes",
            "codes",
            "codestreams",
            "contract",
            "dataset",
            "decisions",
            "door",
            "faces",
            "folder",
            "hub_door",
            "marks",
            "pixels",
            "quarantine",
            "vault",
            "vocabulary",
            "walk",
        }
    ),
)
"""The rules by the names that attributes.csv uses.

Three names there are no files: `sequence`, `code` and `pixels` are the walk's own.
"""

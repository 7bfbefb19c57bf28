"""What a de-identification rule is: it looks at one value and says what may leave of it."""

import dataclasses
import secrets
from collections.abc import Callable
from typing import TypeAlias

from sightline.deid.attributes import Attribute
from sightline.deid.keep_list import KeepList, keep_list
from sightline.deid.known_identifiers import KnownIdentifiers
from sightline.deid.profile import DEFAULT_PROFILE, Profile, load_profile
from sightline.deid.vault import Vault
from sightline.deid.vocabulary import NO_WORDS, Words
from sightline.errors import BadSettings
from sightline.registry import Registry
from sightline.values.identity import Patient, SubjectId


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """For whom and where a value is cleaned.

    Attributes:
        patient: whose values they are, as `vault` names them.
        offset_days: by how many days dates move back; 0 where the profile keeps them.
        moves: what makes up `offset_days`, one after the other; empty where it is one move.
        keep_list: what may pass.
        charset: Python codec of the instance's text.
        site_words: words that may stand in text besides the lists of this room.
        names: words of the names that the instance holds, lower case; no description with one
            leaves, though it be on a list.
        known: what free text is searched for; None where no free text passes.
    """

    vault: Vault
    subject_id: SubjectId
    patient: Patient = dataclasses.field(repr=False)
    offset_days: int
    keep_list: KeepList
    charset: str = "latin-1"
    site_words: Words = NO_WORDS
    names: Words = NO_WORDS
    known: KnownIdentifiers | None = None
    moves: tuple[int, ...] = ()


def trial_context() -> Context:
    """Return a context with a key of its own, for trying a rule."""
    vault = Vault(secrets.token_bytes(32))
    return context_of(Patient(patient_id="TRIAL"), vault, load_profile(DEFAULT_PROFILE))


def name_of(uid: str, vault: Vault, profile: Profile) -> str:
    """Return what a study, series or instance is called after the door."""
    return uid if profile.has("retain uids") else vault.uid(uid)


def context_of(patient: Patient, vault: Vault, profile: Profile) -> Context:
    """Return the context of one patient's values."""
    moves = () if profile.has("retain full dates") else vault.date_moves(patient)
    return Context(
        vault=vault,
        subject_id=vault.pseudonym(patient),
        patient=patient,
        offset_days=sum(moves),
        moves=moves,
        keep_list=keep_list(profile),
        site_words=vault.words,
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
            "certificates",
            "certifying",
            "cleaning",
            "brain_outline",
            "codes",
            "codestreams",
            "companions",
            "contract",
            "cranium",
            "dataset",
            "decisions",
            "destruction",
            "documents",
            "door",
            "explaining",
            "escrow",
            "faces",
            "folder",
            "free_text",
            "defacing",
            "face_left",
            "face_removal",
            "face_skin",
            "face_surface",
            "faceless",
            "head_place",
            "hub_door",
            "keep_list",
            "key_file",
            "known_identifiers",
            "languages",
            "marks",
            "patient_records",
            "pixels",
            "portions",
            "private",
            "profile",
            "projects",
            "quarantine",
            "record_passage",
            "recording",
            "reidentification",
            "rekeyed_text",
            "rekeying",
            "releasing",
            "reports",
            "rotating_objects",
            "rotating_rows",
            "rotation",
            "package_signing",
            "signing",
            "solids",
            "study_files",
            "upright",
            "vault",
            "vocabulary",
            "walk",
            "waveforms",
        }
    ),
)
"""The rules by the names that profiles use.

Four names there are no files: those of `OWN_RULES` are the walk's own.
"""

OWN_RULES = frozenset({"sequence", "code", "pixels", "samples"})


def check_rules(profile: Profile) -> None:
    """Check that a profile names rules that there are; all of them are loaded.

    Raises:
        BadSettings: It does not.
    """
    known = {*RULES.all(), *OWN_RULES}
    for keyword, rule in profile.rules.items():
        if rule not in known:
            raise BadSettings(
                f"the de-identification profile {profile.name} names no rule for {keyword}: {rule}",
                hint=f"Name one of {', '.join(sorted(known))}.",
            )

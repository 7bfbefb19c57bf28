"""From a subject back to the patient: with a secret that no machine holds, and on record."""

import dataclasses
import re
from pathlib import Path

import sqlalchemy as sa

from sightline.archive.patients import Occasion
from sightline.catalog.archive_tables import PATIENT
from sightline.catalog.hub_tables import STUDY
from sightline.deid.escrow import (
    has_records,
    keep_identity,
    make_escrow_key,
    open_identity,
    unlock,
)
from sightline.deid.projects import find_project
from sightline.deid.recording import Book, check_told
from sightline.deid.rekeying import Rekeying
from sightline.deid.vault import Vault
from sightline.deid.vocabulary import words_of
from sightline.errors import Refused, SightlineError, UnknownName
from sightline.hub.hub import Hub
from sightline.values.identity import Patient, SubjectId

_SUBJECT = re.compile(r"S-[A-Z2-7]{10}")
_SHORTEST_WORD = 3


def reidentify(
    book: Book, subject: str, *, secret: bytes, passphrase: str, occasion: Occasion
) -> Patient:
    """Return who a subject is; the try is recorded before, whether it succeeds or not.

    Needs neither the archive's study nor the hub's: the sealed record is enough.

    Args:
        book: where the try is recorded.
        subject: of the hub.
        secret: the file that `sightline vault escrow-key` wrote.
        passphrase: of that file.
        occasion: who asks, and why; a reason that quotes the identity is refused.

    Raises:
        Refused: Nothing is kept of the subject, secret or passphrase are wrong, or name or
            reason lack.
        UnknownName: That is no subject.
        BadFile: Secret or record are damaged.
    """
    check_told(occasion)
    try:
        patient = _opened(book, subject, secret=secret, passphrase=passphrase)
        _check_reason(occasion.reason, patient)
    except SightlineError as error:
        # What was typed as a reason may be the identity itself.
        _record(book, subject, occasion.actor, done="failed", reason=error.problem)
        raise
    _record(book, subject, occasion.actor, done="done", reason=occasion.reason)
    return patient


def subject_of_release(book: Book, hub: Hub, *, project: str, subject: str) -> str:
    """Return which subject of the hub a subject of a release is.

    Of a release from before a rotation only the archive's patients can be told: no key leads back
    from the hub's names to those that it had.

    Args:
        book: of the data directory.
        hub: its hub.
        project: that the release was made for.
        subject: as the release names it.

    Raises:
        UnknownName: There is no such project, or it has no such subject.
        KeyDestroyed: The hub has no key any more.
    """
    vault = Vault.open(book.settings)
    names = Rekeying(find_project(vault, project))
    named = _named(hub)
    for each in sorted(named):
        if names.subject(each) == subject:
            return each
    earlier = vault.inner
    while earlier is not None:
        names = Rekeying(find_project(earlier, project))
        for patient in _patients(book):
            now = vault.pseudonym(patient)
            if now in named and names.subject(earlier.pseudonym(patient)) == subject:
                return now
        earlier = earlier.inner
    raise UnknownName(
        f"no subject of the hub is called that in releases to {project}",
        hint="`splits.tsv` of a release lists its subjects.",
    )


def begin_escrow(
    book: Book, hub: Hub, secret_file: Path, *, passphrase: str, replace: bool, occasion: Occasion
) -> tuple[str, int]:
    """Make an escrow key, and seal who is named already, where the archive still knows them.

    Args:
        book: where it is recorded.
        hub: the hub of the vault.
        secret_file: the private half; not there yet, and outside the data directory.
        passphrase: of that file.
        replace: whether an older key may be followed.
        occasion: who makes it, and why.

    Returns:
        The id of the key, and how many identities were sealed to it at once.

    Raises:
        Refused: There is a key already, the file cannot be that, or name or reason lack.
        KeyDestroyed: The hub has no key any more.
        BadSettings: The vault is damaged or missing.
        OSError: A file cannot be made durable.
    """
    check_told(occasion)
    vault = Vault.open(book.settings)
    if secret_file.resolve().is_relative_to(book.settings.data_dir.resolve()):
        raise Refused(
            "the secret would lie in the data directory",
            hint="Write it to a medium that is taken away from this machine.",
        )
    folder = book.settings.vault_dir
    key_id = make_escrow_key(folder, secret_file, passphrase, replace=replace)
    book.record(
        "escrow_key_made", (f"escrow:{key_id}",), actor=occasion.actor, reason=occasion.reason
    )
    named, sealed = _named(hub), 0
    for patient in _patients(book):
        subject_id = vault.pseudonym(patient)
        if subject_id in named:
            keep_identity(folder, subject_id, patient)
            sealed += 1
    return key_id, sealed


def _named(hub: Hub) -> set[SubjectId]:
    with hub.database.read() as connection:
        found = connection.execute(sa.select(STUDY.c.subject_id).distinct()).scalars()
        return {SubjectId(each) for each in found}


def _patients(book: Book) -> list[Patient]:
    names = [field.name for field in dataclasses.fields(Patient)]
    with book.archive.database.read() as connection:
        rows = connection.execute(sa.select(*(PATIENT.c[name] for name in names)))
        return [Patient(**row) for row in rows.mappings()]


def _opened(book: Book, subject: str, *, secret: bytes, passphrase: str) -> Patient:
    folder = book.settings.vault_dir
    if _SUBJECT.fullmatch(subject) is None:
        raise UnknownName("that is no subject", hint="A subject looks like S-4KQ7X2M5NA.")
    if not has_records(folder):
        raise Refused(
            "no identity is kept: this vault has no escrow key",
            hint="See docs/how-to/keys-and-reidentification.md. Without one, only the archive "
            "knows its patients.",
        )
    return open_identity(folder, SubjectId(subject), unlock(secret, passphrase))


def _check_reason(reason: str, patient: Patient) -> None:
    quoted = set(words_of(reason))
    names = {word for word in words_of(patient.name) if len(word) >= _SHORTEST_WORD}
    if quoted & names or (patient.patient_id and patient.patient_id in reason):
        raise Refused(
            "the reason quotes the identity, which the audit log must not hold",
            hint="Say why without naming the patient.",
        )


def _record(book: Book, subject: str, actor: str, *, done: str, reason: str) -> None:
    # What is no subject may be anything, a patient's name too.
    shown = subject if _SUBJECT.fullmatch(subject) else "not a subject"
    book.record(f"reidentification_{done}", (shown,), actor=actor, reason=reason)

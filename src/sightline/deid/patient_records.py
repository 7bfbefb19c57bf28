"""What the archive knows of a patient, for finding it in text: studies, records, messages."""

import sqlalchemy as sa

from sightline import log
from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import CLINICAL_MESSAGE, CLINICAL_RECORD, PATIENT, STUDY
from sightline.deid.known_identifiers import KnownIdentifiers, known_of_message, known_of_patient
from sightline.errors import BadMessage, DamagedObject, UnknownName
from sightline.formats.hl7 import parse
from sightline.values.identity import Digest, Patient

_log = log.get("deid")
_MOST_MESSAGES = 200


def known_of_archive(archive: Archive, patient: Patient) -> KnownIdentifiers:
    """Return what the archive knows: every identity of the person, their studies and messages.

    Of messages the newest 200 are read. One that is gone or damaged is passed over, and logged.
    """
    with archive.database.read() as connection:
        rows = _identities(connection, patient)
        ids = [row.id for row in rows]
        studies = connection.execute(sa.select(STUDY).where(STUDY.c.patient.in_(ids))).all()
        records = connection.execute(
            sa.select(CLINICAL_RECORD.c.accession_number, CLINICAL_RECORD.c.source_key).where(
                CLINICAL_RECORD.c.patient.in_(ids)
            )
        ).all()
        messages = connection.execute(
            sa.select(CLINICAL_MESSAGE.c.digest)
            .join(CLINICAL_RECORD, CLINICAL_RECORD.c.message == CLINICAL_MESSAGE.c.id)
            .where(CLINICAL_RECORD.c.patient.in_(ids))
            .order_by(CLINICAL_MESSAGE.c.id.desc())
            .limit(_MOST_MESSAGES)
        ).scalars()
        digests = [Digest(digest) for digest in dict.fromkeys(messages)]
    named = KnownIdentifiers.of_lists(
        {
            "names": [row.name for row in rows],
            "people": [row.referring_physician or "" for row in studies],
            "ids": [
                *(row.patient_id for row in rows),
                *(row.accession_number for row in studies),
                *(row.study_id or "" for row in studies),
                *(each for record in records for each in record),
            ],
            "birth_dates": [row.birth_date for row in rows],
        }
    )
    return known_of_patient(patient).joined(named, *_said(archive, digests))


def _identities(connection: sa.Connection, patient: Patient) -> list[sa.Row[tuple[object, ...]]]:
    """Return every identity that merges made one with the patient's."""
    survivor = sa.func.coalesce(PATIENT.c.survivor, PATIENT.c.id)
    own = (
        sa.select(survivor)
        .where(PATIENT.c.patient_id == patient.patient_id, PATIENT.c.issuer == patient.issuer)
        .scalar_subquery()
    )
    return list(connection.execute(sa.select(PATIENT).where(survivor == own)).all())


def _said(archive: Archive, digests: list[Digest]) -> list[KnownIdentifiers]:
    found = []
    for digest in digests:
        try:
            content = archive.objects.get(digest)
            if content[:3] == b"MSH":
                found.append(known_of_message(parse(content)))
        except (BadMessage, DamagedObject, UnknownName) as error:
            _log.warning("message_not_searched", digest=digest[:12], why=type(error).__name__)
    return found

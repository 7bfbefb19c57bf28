"""Clinical data from files: FHIR bundles, HL7 v2 messages, tables."""

import hashlib
from pathlib import Path

from sightline.archive.archive import Archive
from sightline.archive.clinical import Letter, take
from sightline.archive.ties import load_rules
from sightline.errors import BadFile
from sightline.formats.fhir import read_bundle
from sightline.formats.hl7 import parse
from sightline.intake.clinical_tables import TableMapping, read_table
from sightline.intake.hl7_messages import read_message
from sightline.settings import Settings
from sightline.values.clinical import Clinical

_SENDER = "import"


def import_clinical(
    archive: Archive, path: Path, settings: Settings, *, mapping: TableMapping | None = None
) -> Clinical:
    """Take what a file says, all of it or nothing; a repeat changes nothing.

    Args:
        archive: the identified store.
        path: a FHIR bundle, one HL7 v2 message, or a table.
        settings: of the data directory.
        mapping: what the columns of a table are.

    Raises:
        BadMessage: The file cannot be read as what it should be.
        Refused: What it says contradicts what is known.
        BadSettings: The rules of the data directory cannot be used.
        OSError: It could not be kept.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(
            f"{path} cannot be read: {error.strerror}", hint="Give the path of a file."
        ) from error
    kind = _kind(content, mapping)
    said: list[Clinical] = []

    def read() -> Clinical:
        said.append(_read(content, kind, settings, mapping=mapping))
        return said[0]

    control_id = hashlib.sha256(content).hexdigest()[:20]
    letter = Letter(content=content, sender=_SENDER, control_id=control_id, kind=kind)
    is_new = take(archive, letter, read, rules=load_rules(settings))
    return said[0] if is_new else Clinical()


def _kind(content: bytes, mapping: TableMapping | None) -> str:
    if mapping is not None:
        return "csv"
    return "hl7" if content.lstrip().startswith(b"MSH") else "fhir"


def _read(
    content: bytes, kind: str, settings: Settings, *, mapping: TableMapping | None
) -> Clinical:
    if mapping is not None:
        return read_table(content, mapping)
    if kind == "hl7":
        return read_message(parse(content.strip()), settings.issuer_of)
    return read_bundle(content, settings.issuer_of(_SENDER))

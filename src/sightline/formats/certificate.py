"""Certificates of the door as JSON; what is signed is every field but the signature.

Version 1 is unsigned: files of a folder, and rows of a hub that say neither format nor version.
Version 2 adds `public_key` and `signature` (Ed25519, hexadecimal digits).
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from sightline.errors import BadFile
from sightline.values.identity import Digest, HubStudyUid, SubjectId
from sightline.values.study import Certificate

FORMAT, VERSION = "sightline-certificate", 2

_SIGNATURE = "signature"
_SIGNED_FIELDS = frozenset({"public_key", _SIGNATURE})
_CONTAINERS = frozenset({"options", "actions", "outputs", "held"})
_ALL_FIELDS = frozenset(field.name for field in dataclasses.fields(Certificate))
_FIELDS_OF = {1: _ALL_FIELDS - _SIGNED_FIELDS, VERSION: _ALL_FIELDS}
_HINT = "Restore the certificate from a backup, or let the study pass the door again."


def certificate_document(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate as what JSON can hold: version 2 where it is signed, 1 where not."""
    content = dataclasses.asdict(certificate) | {"options": list(certificate.options)}
    if certificate.signature:
        return {"format": FORMAT, "version": VERSION, **content}
    plain = {name: value for name, value in content.items() if name not in _SIGNED_FIELDS}
    return {"format": FORMAT, "version": 1, **plain}


def signed_bytes(certificate: Certificate) -> bytes:
    """Return what the signature of a certificate is over, with its public key already in it."""
    content = dataclasses.asdict(certificate) | {"options": list(certificate.options)}
    content |= {"format": FORMAT, "version": VERSION}
    del content[_SIGNATURE]
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


def write_certificate(certificate: Certificate) -> bytes:
    """Return a certificate as a file."""
    return (json.dumps(certificate_document(certificate), indent=2, sort_keys=True) + "\n").encode()


def read_certificate(content: bytes) -> Certificate:
    """Read a certificate from its file.

    Raises:
        BadFile: It is none, is damaged, or is of a later version.
    """
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BadFile("the certificate is no JSON", hint=_HINT) from error
    return certificate_of(document)


def certificate_of(document: object) -> Certificate:
    """Read a certificate from its document.

    Raises:
        BadFile: It is none, is damaged, or is of a later version.
    """
    if not isinstance(document, Mapping):
        raise BadFile("the certificate is no JSON object", hint=_HINT)
    # Rows of hubs before version 2 say neither.
    form, version = document.get("format", FORMAT), document.get("version", 1)
    if form != FORMAT:
        raise BadFile("the file is no certificate", hint=_HINT)
    if version not in _FIELDS_OF:
        raise BadFile(
            f"the certificate is of version {version!r}", hint="Read it with a newer Sightline."
        )
    fields = {name: document.get(name) for name in _FIELDS_OF[version]}
    if {*document} - {"format", "version"} != {*fields}:
        raise BadFile("the certificate lacks a field, or has one too many", hint=_HINT)
    return _checked(fields)


def _checked(fields: dict[str, Any]) -> Certificate:
    texts = [value for name, value in fields.items() if name not in _CONTAINERS]
    tables = [fields[name] for name in ("actions", "outputs", "held")]
    is_sound = (
        all(isinstance(value, str) for value in texts)
        and all(isinstance(table, dict) for table in tables)
        and isinstance(fields["options"], list)
        and all(isinstance(each, str) for each in fields["options"])
        and all(isinstance(each, str) for each in fields["outputs"].values())
        and all(type(each) is int for name in ("actions", "held") for each in fields[name].values())
    )
    if not is_sound:
        raise BadFile("a field of the certificate is of the wrong type", hint=_HINT)
    return Certificate(
        study_uid=HubStudyUid(fields["study_uid"]),
        subject_id=SubjectId(fields["subject_id"]),
        profile=fields["profile"],
        table_edition=fields["table_edition"],
        options=tuple(fields["options"]),
        actions=fields["actions"],
        outputs={uid: Digest(digest) for uid, digest in fields["outputs"].items()},
        held=fields["held"],
        created_at=fields["created_at"],
        public_key=fields.get("public_key", ""),
        signature=fields.get(_SIGNATURE, ""),
    )

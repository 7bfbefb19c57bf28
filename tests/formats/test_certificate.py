"""Certificates of every version that was ever written can be read; odd ones say what is wrong."""

import dataclasses
import json
from pathlib import Path

import pytest

from sightline.errors import BadFile
from sightline.formats.certificate import (
    VERSION,
    certificate_document,
    certificate_of,
    read_certificate,
    signed_bytes,
    write_certificate,
)

FOLDER = Path(__file__).parent.parent / "data" / "certificates"


@pytest.mark.parametrize("name", ["version-1", "version-1-row", "version-2"])
def test_each_version_is_read(name: str) -> None:
    certificate = read_certificate((FOLDER / f"{name}.json").read_bytes())
    assert certificate.study_uid == "2.25.62031087051950397553361136831841910826"
    assert certificate.subject_id == "S-7DZZQRQAJX"
    assert certificate.table_edition == "DICOM PS3.15 2026c Table E.1-1"
    assert len(certificate.options) == 5
    assert len(certificate.outputs) == 2
    assert certificate.actions["pixels_kept"] == 2
    assert certificate.held == ({} if name.endswith("row") else {"burned_in_text_declared": 1})
    assert bool(certificate.signature) == bool(certificate.public_key) == (name == "version-2")


@pytest.mark.parametrize("name", ["version-1", "version-2"])
def test_a_file_is_written_as_it_was_read(name: str) -> None:
    content = (FOLDER / f"{name}.json").read_bytes()
    assert write_certificate(read_certificate(content)) == content


def test_the_newest_version_is_stored_as_an_example() -> None:
    assert (FOLDER / f"version-{VERSION}.json").exists()


def test_what_is_signed_is_all_but_the_signature() -> None:
    certificate = read_certificate((FOLDER / "version-2.json").read_bytes())
    assert signed_bytes(certificate) == signed_bytes(dataclasses.replace(certificate, signature=""))
    for field in dataclasses.fields(certificate):
        if field.name == "signature":
            continue
        value = getattr(certificate, field.name)
        other = f"{value}x" if isinstance(value, str) else type(value)()
        changed = dataclasses.replace(certificate, **{field.name: other})
        assert signed_bytes(changed) != signed_bytes(certificate), field.name


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": "other"}, "no certificate"),
        ({"version": 3}, "version 3"),
        ({"version": None}, "version None"),
        ({"version": 1}, "too many"),
        ({"more": 1}, "too many"),
        ({"study_uid": 5}, "wrong type"),
        ({"options": "113100"}, "wrong type"),
        ({"options": [5]}, "wrong type"),
        ({"outputs": {"1.2": 5}}, "wrong type"),
        ({"held": {"unreadable": "1"}}, "wrong type"),
        ({"actions": {"kept": True}}, "wrong type"),
        ({"actions": []}, "wrong type"),
        ({"signature": None}, "wrong type"),
    ],
)
def test_odd_ones_say_what_is_wrong(change: dict[str, object], problem: str) -> None:
    document = json.loads((FOLDER / "version-2.json").read_bytes())
    with pytest.raises(BadFile, match=problem):
        certificate_of(document | change)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"null", b"5", b'{"format": 5}'])
def test_what_is_no_certificate_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(BadFile):
        read_certificate(content)


def test_a_lost_field_is_found() -> None:
    document = certificate_document(read_certificate((FOLDER / "version-2.json").read_bytes()))
    for name in set(document) - {"format", "version"}:
        rest = {key: value for key, value in document.items() if key != name}
        with pytest.raises(BadFile):
            certificate_of(rest)

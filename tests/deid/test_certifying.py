"""Certificates: every study has one that proves itself, and every flipped bit is found."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.catalog.hub_tables import CERTIFICATE, INSTANCE, STUDY
from sightline.deid.certificates import CERTIFICATE_FILE
from sightline.deid.certifying import Verified, verify_folder, verify_hub
from sightline.deid.door import pass_door
from sightline.deid.folder import deidentify_folder
from sightline.deid.signing import Signer
from sightline.deid.vault import Vault
from sightline.errors import Refused, UnknownName
from sightline.formats.certificate import certificate_of, signed_bytes, write_certificate
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from tests.deid import hostile
from tests.deid.conftest import KEY, StudyOf
from tests.deid.studies import results_of, study_in, volume
from tests.deid.test_door import PASSING, hostile_study
from tests.formats.sources import KINDS
from tests.instances import part10_of, slice_of

PUBLIC_KEY = Signer(Vault(KEY)).public_key
OTHER = Signer(Vault(bytes(32)))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    found = Hub.at(tmp_path / "hub")
    yield found
    found.close()


@pytest.fixture
def filled(hub: Hub, vault: Vault, tmp_path: Path) -> Hub:
    """Give a hub of three studies of two patients, one with a mask and a report."""
    for seed, number in ((1, 0), (1, 1), (2, 0)):
        series = write_series(
            volume(), tmp_path / f"in-{seed}-{number}", visit=visit(seed, number=number)
        )
        files = list(series.files)
        if seed == 2:
            for name, content in zip(("seg", "sr"), results_of(series), strict=True):
                (tmp_path / name).write_bytes(content)
                files.append(tmp_path / name)
        passage = pass_door(study_in(files), vault)
        assert passage.study is not None
        admit(hub, passage.study)
    return hub


def faults_of(hub: Hub) -> list[str]:
    return [fault.problem for fault in verify_hub(hub, PUBLIC_KEY).faults]


def documents(hub: Hub) -> list[dict[str, object]]:
    with hub.database.read() as connection:
        return list(connection.execute(sa.select(CERTIFICATE.c.content)).scalars())


def change(hub: Hub, alter: Callable[[dict[str, object]], dict[str, object]]) -> None:
    """Write the first certificate anew."""
    with hub.database.write() as connection:
        row = connection.execute(sa.select(CERTIFICATE).order_by(CERTIFICATE.c.id).limit(1)).one()
        connection.execute(
            CERTIFICATE.update()
            .where(CERTIFICATE.c.id == row.id)
            .values(content=alter(dict(row.content)))
        )


def test_every_study_of_the_hub_proves_itself(filled: Hub) -> None:
    found = verify_hub(filled, PUBLIC_KEY)
    assert (found.studies, found.instances, found.faults) == (3, 17, ())
    with filled.database.read() as connection:
        certified = set(connection.execute(sa.select(CERTIFICATE.c.study_uid)).scalars())
        assert certified == set(connection.execute(sa.select(STUDY.c.uid)).scalars())


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_series_proves_itself(
    hub: Hub, vault: Vault, tmp_path: Path, kind: str
) -> None:
    files = KINDS[kind](tmp_path / "in").files
    passage = pass_door(study_in(files), vault)
    assert passage.study is not None
    admit(hub, passage.study)
    found = verify_hub(hub, PUBLIC_KEY, study_uid=passage.study.uid)
    assert (found.studies, found.instances, found.faults) == (1, len(files), ())


def test_certificates_of_hostile_objects_hold_no_value(tmp_path: Path, vault: Vault) -> None:
    for sop_class_uid in PASSING:
        canaries = hostile.Canaries()
        tree = hostile.hostile(sop_class_uid, canaries)
        content = hostile.part10(tree, hostile.EXPLICIT, canaries)
        passage = pass_door(hostile_study(tmp_path, content, sop_class_uid), vault)
        assert passage.study is not None
        written = write_certificate(passage.study.certificate)
        assert hostile.survivors(written) == []
        for identifier in (hostile.PATIENT_ID, hostile.STUDY_UID, hostile.INSTANCE_UID):
            assert identifier.encode() not in written


def test_certificate_says_what_was_done_and_what_was_held(vault: Vault, study_of: StudyOf) -> None:
    held = slice_of(2, BurnedInAnnotation="YES")
    passage = pass_door(study_of([part10_of(slice_of(1)), part10_of(held)]), vault)
    assert passage.study is not None
    certificate = passage.study.certificate
    assert certificate.profile
    assert "2026c" in certificate.table_edition
    assert any("113107" in option for option in certificate.options)
    assert certificate.actions["pixels_kept"] == 1
    assert len(certificate.outputs) == 1
    assert certificate.held == {"burned_in_text_declared": 1}
    assert certificate.public_key == PUBLIC_KEY


def test_a_bit_flipped_in_any_output_is_found(filled: Hub, tmp_path: Path) -> None:
    with filled.database.read() as connection:
        rows = connection.execute(sa.select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
    for row in rows:
        (path,) = (tmp_path / "hub" / "objects").rglob(f"*{row.digest[4:]}")
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(flipped(content, len(content) // 2))
        found = verify_hub(filled, PUBLIC_KEY).faults
        assert [fault.where for fault in found] == [row.uid]
        path.write_bytes(content)
    assert faults_of(filled) == []


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_another_object_under_the_name_of_an_output_is_found(filled: Hub) -> None:
    digest = filled.objects.put(b"something else")
    with filled.database.write() as connection:
        uid = connection.execute(sa.select(INSTANCE.c.uid).limit(1)).scalar_one()
        connection.execute(INSTANCE.update().where(INSTANCE.c.uid == uid).values(digest=digest))
    assert faults_of(filled) == ["the bytes are not those that the certificate names"]


def test_every_changed_field_of_a_certificate_is_found(filled: Hub) -> None:
    (before, *_) = documents(filled)
    assert {"format", "version", "public_key", "signature"} <= set(before)
    for name, value in before.items():
        other: object = f"{value}0" if isinstance(value, str) else {"unreadable": 9}
        if name == "version":
            other = 3
        change(filled, lambda content, name=name, other=other: content | {name: other})  # type: ignore[misc]
        assert faults_of(filled), name
        change(filled, lambda _, before=before: dict(before))  # type: ignore[misc]
    assert faults_of(filled) == []


def test_every_flipped_digit_of_a_signature_is_found(filled: Hub) -> None:
    (before, *_) = documents(filled)
    signature = str(before["signature"])
    for place in range(0, len(signature), 7):
        digit = f"{int(signature[place], 16) ^ 1:x}"
        other = signature[:place] + digit + signature[place + 1 :]
        change(filled, lambda content, other=other: content | {"signature": other})  # type: ignore[misc]
        assert "the signature is not of this certificate" in faults_of(filled)


def test_a_certificate_that_somebody_else_signed_is_found(filled: Hub) -> None:
    def sign(content: dict[str, object]) -> dict[str, object]:
        named = content | {"public_key": OTHER.public_key}
        return named | {"signature": OTHER.sign(signed_bytes(certificate_of(named)))}

    change(filled, sign)
    assert "the certificate is signed by another hub" in faults_of(filled)


def test_an_unknown_edition_is_found_though_it_is_signed(filled: Hub) -> None:
    def sign(content: dict[str, object]) -> dict[str, object]:
        named = content | {"table_edition": "DICOM PS3.15 1999a"}
        return named | {"signature": Signer(Vault(KEY)).sign(signed_bytes(certificate_of(named)))}

    change(filled, sign)
    assert "the certificate names an edition of the table that is not known" in faults_of(filled)


def test_the_certificate_of_another_study_is_found(filled: Hub) -> None:
    other = documents(filled)[1]
    change(filled, lambda _: dict(other))
    assert "the certificate is of another study" in faults_of(filled)


def test_a_lost_certificate_and_lost_or_added_instances_are_found(filled: Hub) -> None:
    with filled.database.write() as connection:
        uid, other = connection.execute(sa.select(INSTANCE.c.uid).limit(2)).scalars()
        connection.execute(INSTANCE.update().where(INSTANCE.c.uid == uid).values(uid="2.25.1"))
    assert sorted(faults_of(filled)) == [
        "the certificate names the instance, and it is not there",
        "the instance is in no certificate of its study",
    ]
    with filled.database.write() as connection:
        connection.execute(CERTIFICATE.delete())
    assert faults_of(filled) == 3 * ["the study has no certificate that proves itself"]
    assert other


def test_version_1_does_not_prove_itself_until_the_study_passes_again(
    hub: Hub, vault: Vault, tmp_path: Path
) -> None:
    files = write_series(volume(), tmp_path / "in", visit=visit(1)).files
    study = pass_door(study_in(files), vault).study
    assert study is not None
    admit(hub, study)
    row = documents(hub)[0]
    old = {name: value for name, value in row.items() if name not in {"signature", "public_key"}}
    del old["format"], old["version"]
    change(hub, lambda _: old)
    assert faults_of(hub) == [
        "the study has no certificate that proves itself: it is of version 1, which is not signed"
    ]
    admit(hub, study)
    assert faults_of(hub) == []
    assert len(documents(hub)) == 2
    admit(hub, study)
    assert len(documents(hub)) == 2


def test_unknown_study_is_an_error(hub: Hub) -> None:
    with pytest.raises(UnknownName, match="no study"):
        verify_hub(hub, PUBLIC_KEY, study_uid="2.25.5")


def folder_of(tmp_path: Path, vault: Vault) -> Path:
    for seed in (1, 2):
        write_series(volume(), tmp_path / "in" / str(seed), visit=visit(seed))
    deidentify_folder(tmp_path / "in", tmp_path / "out", vault)
    return tmp_path / "out"


def named(found: Verified) -> set[tuple[str, str]]:
    return {(Path(fault.where).name, fault.problem) for fault in found.faults}


def test_a_folder_proves_itself(tmp_path: Path, vault: Vault) -> None:
    out = folder_of(tmp_path, vault)
    assert verify_folder(out, PUBLIC_KEY) == Verified(studies=2, instances=10, faults=())
    study = next(out.rglob(CERTIFICATE_FILE)).parent
    assert verify_folder(study, PUBLIC_KEY).faults == ()
    assert verify_folder(out, OTHER.public_key).faults


def test_what_was_done_to_a_folder_is_found(tmp_path: Path, vault: Vault) -> None:
    out = folder_of(tmp_path, vault)
    first, second, *_ = sorted(out.rglob("*.dcm"))
    content = first.read_bytes()
    first.write_bytes(flipped(content, 900))
    assert named(verify_folder(out, PUBLIC_KEY)) == {
        (first.stem, "the bytes are not those that the certificate names")
    }
    first.write_bytes(content)
    (first.parent / "2.25.7.dcm").write_bytes(content)
    (out / "notes.txt").write_text("more")
    second.unlink()
    assert named(verify_folder(out, PUBLIC_KEY)) == {
        ("2.25.7", "the instance is in no certificate of its study"),
        ("notes.txt", "no certificate knows it"),
        (second.stem, "the certificate names the instance, and it is not there"),
    }


def test_every_flipped_bit_of_a_certificate_file_is_found(tmp_path: Path, vault: Vault) -> None:
    out = folder_of(tmp_path, vault)
    path = next(out.rglob(CERTIFICATE_FILE))
    content = path.read_bytes()
    missed = []
    for place in range(0, len(content), 11):
        path.write_bytes(flipped(content, place))
        try:
            document = json.loads(path.read_bytes())
        except ValueError:
            document = None
        is_same = document == json.loads(content)
        if not verify_folder(out, PUBLIC_KEY).faults and not is_same:
            missed.append(place)
    assert missed == []


def test_two_passages_of_one_study_into_a_folder_both_prove_themselves(
    tmp_path: Path, vault: Vault
) -> None:
    for number in (1, 2):
        source = tmp_path / f"in-{number}"
        source.mkdir()
        (source / "one.dcm").write_bytes(part10_of(slice_of(number)))
        deidentify_folder(source, tmp_path / "out", vault)
    assert verify_folder(tmp_path / "out", PUBLIC_KEY) == Verified(
        studies=1, instances=2, faults=()
    )


def test_folder_without_a_certificate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no certificate"):
        verify_folder(tmp_path, PUBLIC_KEY)

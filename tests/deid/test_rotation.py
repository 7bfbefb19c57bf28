"""Rotating the key: every name is new, the old key computes none, and all goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sightline.app.tracing import Origin, origin_of, trace_anything
from sightline.archive.patients import Occasion
from sightline.audit.anchor import Anchor
from sightline.catalog.hub_tables import (
    CERTIFICATE,
    COLLECTION_MEMBER,
    EVALUATION,
    INSTANCE,
    METADATA,
    NODE,
    RUN,
)
from sightline.deid import rotation
from sightline.deid.certifying import verify_hub
from sightline.deid.destruction import destroy, plan_destruction, public_key_of
from sightline.deid.hub_door import HubDoor
from sightline.deid.key_file import KEY_FILE, NEXT_KEY_FILE
from sightline.deid.recording import Book
from sightline.deid.reidentification import reidentify, subject_of_release
from sightline.deid.rekeying import Rekeying
from sightline.deid.rotating_objects import BOOK_FILE
from sightline.deid.rotating_rows import DIGESTS_BEFORE, NEXT_CATALOG_FILE
from sightline.deid.rotation import Rotation, plan_rotation, rotate
from sightline.deid.vault import FINGERPRINT_FILE, Vault
from sightline.errors import BadFile, BadSettings, KeyDestroyed, Refused
from sightline.hub.collections import Criteria, make_version, version
from sightline.hub.hub import ROTATING_FILE, Hub
from sightline.hub.verifying import verify_hub_part
from sightline.phantoms.people import visit
from sightline.settings import Settings
from sightline.store.blobs import PARTS
from sightline.values.identity import Digest, Patient, SubjectId
from tests.deid.house import ANNA, PASSPHRASE, House, house
from tests.deid.rotations import (
    CLASSES,
    LEAKED,
    PEOPLE,
    TOLD,
    VISITS,
    Names,
    bring,
    fill,
    intervals,
    moments,
    names_now,
    objects,
    released,
    rotated,
    tell,
)
from tests.deid.studies import private_uids, read

__all__ = ["house"]


@pytest.fixture
def used(house: House, tmp_path: Path) -> House:
    fill(house, tmp_path)
    return house


def rows(house: House, table: sa.Table) -> list[dict[str, object]]:
    with house.hub.database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def instances(house: House) -> dict[str, str]:
    return {str(row["uid"]): str(row["digest"]) for row in rows(house, INSTANCE)}


def test_no_byte_of_the_hub_has_an_old_name(used: House) -> None:
    names = Names.of(used)
    assert names.found_in(used.settings.hub_dir) >= set(instances(used))  # it does look
    counts = {table.name: len(rows(used, table)) for table in METADATA.sorted_tables}
    now = len(names_now(used.hub))
    for folder in (used.settings.hub_dir, used.settings.hub_dir / "objects" / PARTS[0]):
        (folder / ".incoming-0123456789abcdef").write_text(public_key_of(used.settings))
    done = rotated(used)
    used.hub.close()
    assert names.found_in(used.settings.hub_dir) == set()
    assert names.found_in(used.settings.vault_dir) == set()
    used.reopen()
    assert {table.name: len(rows(used, table)) for table in METADATA.sorted_tables} == counts
    assert done.instances == counts["instance"]
    assert len(names_now(used.hub)) == now
    assert not names_now(used.hub) & names.texts
    left = {path.name for path in used.settings.hub_dir.iterdir() if path.is_file()}
    assert not left & {ROTATING_FILE, BOOK_FILE, NEXT_CATALOG_FILE}
    assert not (used.settings.vault_dir / NEXT_KEY_FILE).exists()


def test_objects_in_s3_get_new_names_too(
    tmp_path: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_OBJECTS_URL", s3_url)
    house = House(tmp_path)
    fill(house, tmp_path)
    names, apart = Names.of(house), intervals(house.hub)
    rotated(house)
    kept = list(house.hub.objects.digests())
    weights = {str(row["weights_digest"]) for row in rows(house, METADATA.tables["model"])}
    assert {*kept} == {*instances(house).values()} | weights
    for content in map(house.hub.objects.get, kept):
        assert not [text for text in names.texts if text.encode() in content]
    assert intervals(house.hub) == apart
    assert verify_hub(house.hub, public_key_of(house.settings)).faults == ()
    house.close()


def test_nothing_that_the_old_key_derives_is_left(used: House) -> None:
    key = bytes.fromhex((used.settings.vault_dir / KEY_FILE).read_text().split("\n")[1])
    before = [read(content) for content in objects(used.hub)]
    rotated(used)
    old = Vault(key)
    now = [read(content) for content in objects(used.hub)]
    subjects = {str(each.PatientID) for each in now}
    for seed in PEOPLE:
        patient = visit(seed).patient
        assert old.pseudonym(patient) not in subjects
        assert used.subject_of(patient) in subjects
        for number in VISITS:
            known = visit(seed, number=number)
            (day,) = {
                str(each.StudyDate)
                for each in now
                if each.StudyInstanceUID == used.door.hub_uid(known.study_uid)
            }
            then = {
                str(each.StudyDate)
                for each in before
                if each.StudyInstanceUID == old.uid(known.study_uid)
            }
            assert then
            assert day not in then


def test_intervals_references_pixels_and_masks_stay(used: House) -> None:
    then, apart = [read(each) for each in objects(used.hub)], intervals(used.hub)
    assert len([each for each in apart if each]) == len(PEOPLE)
    rotated(used)
    now = [read(each) for each in objects(used.hub)]
    assert intervals(used.hub) == apart
    assert len(moments(used.hub)) == len(PEOPLE) + 2
    here = {str(each.SOPInstanceUID) for each in now}
    referenced = {
        str(item.ReferencedSOPInstanceUID)
        for each in now
        if "ReferencedSeriesSequence" in each
        for series in each.ReferencedSeriesSequence
        for item in series.ReferencedInstanceSequence
    }
    assert referenced
    assert referenced <= here
    assert sorted(each.PixelData for each in now) == sorted(each.PixelData for each in then)
    for member in version(used.hub, "lesions").members:
        assert used.hub.array(member.volume_digest).read().any()
        assert used.hub.array(str(member.annotation_digest)).read().any()
    for part in PARTS:
        assert verify_hub_part(used.hub, part, lambda _: None) == []


def test_dates_of_rows_are_those_of_objects(used: House) -> None:
    rotated(used)
    found = {each.StudyInstanceUID: each for each in map(read, objects(used.hub))}
    for row in rows(used, METADATA.tables["study"]):
        dataset = found[row["uid"]]
        assert (row["study_date"], row["subject_id"]) == (dataset.StudyDate, dataset.PatientID)
        assert row["description"] == dataset.get("StudyDescription", "")
    for row in rows(used, INSTANCE):
        assert row["size_bytes"] == len(used.hub.objects.get(Digest(str(row["digest"]))))


def test_texts_are_moved_and_numbered_anew(used: House) -> None:
    def comment() -> str:
        (found,) = [
            str(each.ImageComments)
            for each in map(read, objects(used.hub))
            if "ImageComments" in each
        ]
        return found

    before = comment()
    vault = Vault.open(used.settings)
    rotated(used)
    after = comment()
    number = before.split("[NAME ")[1][:5]
    days = Vault.open(used.settings).layer.date_offset_days(
        Patient(patient_id=vault.pseudonym(TOLD))
    )
    day = np.datetime64("2024-01-30") - vault.date_offset_days(TOLD)
    assert f"[MOVED {str(day).replace('-', '')}]" in before
    assert f"[MOVED {str(day - days).replace('-', '')}]" in after
    assert f"[NAME {number}]" not in after
    assert after.startswith("Nodule of 8 mm, seen by Dr. [NAME ")
    tell(used)
    assert comment() == after


def test_what_passes_the_door_again_is_what_is_there(used: House, tmp_path: Path) -> None:
    rotated(used)
    before, documents = instances(used), rows(used, CERTIFICATE)
    for seed in PEOPLE:
        for number in VISITS:
            bring(used, tmp_path, seed, number)
    assert instances(used) == before
    assert rows(used, CERTIFICATE) == documents


def test_a_later_study_of_a_patient_lands_on_the_same_subject(used: House, tmp_path: Path) -> None:
    rotated(used)
    patient = visit(1).patient
    apart = _days(used, used.subject_of(patient))
    bring(used, tmp_path, 1, 2)
    after = _days(used, used.subject_of(patient))
    assert len(after) == len(apart) + 1
    visits = sorted(visit(1, number=number).study_date for number in range(3))
    assert [str(day - after[0]) for day in after] == [
        str(_day(day) - _day(visits[0])) for day in visits
    ]
    chosen = make_version(used.hub, "lesions", Criteria(classes=CLASSES))
    assert chosen.version == 3
    before = {member.subject_id: member.split for member in version(used.hub, "lesions@2").members}
    assert {member.subject_id: member.split for member in chosen.members} == before


def _days(house: House, subject: str) -> list[np.datetime64]:
    return sorted({_day(f"{each:%Y%m%d}") for each in moments(house.hub)[subject]})


def _day(text: str) -> np.datetime64:
    return np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def test_versions_models_and_trace_go_on(used: House) -> None:
    (model,) = [str(row["id"]) for row in rows(used, NODE) if row["kind"] == "model"]
    known = {label: version(used.hub, label) for label in ("lesions@1", "lesions@2")}
    runs, (evaluation,) = rows(used, RUN), rows(used, EVALUATION)
    taught, about = lesson(used, model), origin(used, "prediction-1").about
    assert len(about) == 1
    rotated(used)
    subject = Rekeying(Vault.open(used.settings).layer).subject
    assert lesson(used, model) == {
        split: sorted(map(subject, subjects)) for split, subjects in taught.items()
    }
    assert origin(used, "prediction-1").about == tuple(map(subject, about))
    for label, before in known.items():
        after = version(used.hub, label)
        assert [(each.volume_digest, each.split) for each in after.in_order()] == [
            (each.volume_digest, each.split) for each in before.in_order()
        ]
        facts = facts_of(used, label)
        assert facts["digest"] == after.digest != before.digest
        assert facts[DIGESTS_BEFORE] == before.digest
    assert rows(used, RUN) == runs
    (scored,) = rows(used, EVALUATION)
    assert sorted(map(subject, of_scores(evaluation))) == sorted(of_scores(scored))
    assert make_version(used.hub, "lesions", Criteria(classes=CLASSES)).version == 2


def facts_of(house: House, label: str) -> dict[str, str]:
    nodes = [row for row in rows(house, NODE) if row["kind"] == "collection"]
    (facts,) = [row["facts"] for row in nodes if row["name"] == label]
    assert isinstance(facts, dict)
    return facts


def origin(house: House, name: str) -> Origin:
    return origin_of(house.settings, trace_anything(house.settings, name, "up"))


def lesson(house: House, model: str) -> dict[str, list[str]]:
    """Return who taught a model, by split."""
    (splits,) = origin(house, model).taught.values()
    assert splits["train"]
    return {split: sorted(subjects) for split, subjects in splits.items()}


def of_scores(row: dict[str, object]) -> list[SubjectId]:
    content = row["content"]
    assert isinstance(content, dict)
    return [SubjectId(each["subject_id"]) for each in content["series"]]


def test_certificates_are_signed_anew(used: House) -> None:
    before = public_key_of(used.settings)
    with used.hub.database.write() as connection:
        # One that does not prove itself is not vouched for.
        broken = connection.execute(sa.select(CERTIFICATE)).first()
        assert broken is not None
        content = broken.content | {"created_at": "2020-01-01T00:00:00+00:00"}
        connection.execute(
            CERTIFICATE.update().where(CERTIFICATE.c.id == broken.id).values(content=content)
        )
    assert {fault.where for fault in verify_hub(used.hub, before).faults} == {broken.study_uid}
    rotated(used)
    after = public_key_of(used.settings)
    assert after != before
    found = verify_hub(used.hub, after)
    where = Rekeying(Vault.open(used.settings).layer).uid(broken.study_uid)
    assert found.instances == len(instances(used))
    assert {fault.where for fault in found.faults} == {where}
    assert len(verify_hub(used.hub, before).faults) > found.studies


def test_sealed_identities_lead_back_and_new_ones_too(used: House, tmp_path: Path) -> None:
    before = len(list((used.settings.vault_dir / "escrow").rglob("*.json")))
    assert rotated(used).identities == before
    bring(used, tmp_path, 5, 0)
    for _ in range(2):
        for seed in (*PEOPLE, 5):
            patient = visit(seed).patient
            found = reidentify(
                *(used.book, used.subject_of(patient)),
                secret=(tmp_path / "secret").read_bytes(),
                passphrase=PASSPHRASE,
                occasion=ANNA,
            )
            assert found.patient_id == patient.patient_id
        rotated(used)
    kept = sorted((used.settings.vault_dir / "escrow").rglob("*.json"))
    assert len(kept) == before + 1
    assert not (used.settings.vault_dir / "escrow.before").exists()
    # A record that is put under another subject opens no more.
    kept[0].write_bytes(kept[1].read_bytes())
    with pytest.raises(BadFile, match="damaged"):
        reidentify(
            *(used.book, kept[0].stem),
            secret=(tmp_path / "secret").read_bytes(),
            passphrase=PASSPHRASE,
            occasion=ANNA,
        )


def test_releases_keep_their_names_and_lead_back_and_the_next_shares_none(
    used: House, tmp_path: Path
) -> None:
    earlier = {path.name for path in (tmp_path / "release").iterdir() if path.is_dir()}
    assert rotated(used).projects == ("trial-7",)
    for subject in earlier:
        found = subject_of_release(used.book, used.hub, project="trial-7", subject=subject)
        assert found in {used.subject_of(visit(seed).patient) for seed in (*PEOPLE, 4)}
    after = released(used, tmp_path / "again")
    assert len(after) == len(earlier)
    assert not after & earlier
    assert not uids_of(tmp_path / "again") & uids_of(tmp_path / "release")


def uids_of(folder: Path) -> set[str]:
    return set().union(*(private_uids(read(path.read_bytes())) for path in folder.rglob("*.dcm")))


def test_it_can_be_rotated_again_and_again(used: House) -> None:
    names, apart = set[str](), intervals(used.hub)
    for _ in range(2):
        names |= Names.of(used).texts
        rotated(used)
    used.hub.close()
    assert Names(texts=frozenset(names)).found_in(used.settings.hub_dir) == set()
    used.reopen()
    assert intervals(used.hub) == apart
    assert verify_hub(used.hub, public_key_of(used.settings)).faults == ()
    assert len(facts_of(used, "lesions@1")[DIGESTS_BEFORE].split(" ")) == 2


def test_the_log_says_who_rotated_and_why(used: House) -> None:
    before = plan(used).before
    done = rotated(used)
    events = [entry.event for entry in used.audited("vault_*")]
    assert [event.action for event in events] == ["vault_rotating", "vault_rotated"]
    assert events[1].objects == (f"vault:{before}", f"vault:{done.after}")
    assert {(event.actor, event.reason) for event in events} == {("anna", "the key leaked")}
    assert Anchor.open(used.settings).verify(used.archive.database).faults == ()


def plan(house: House) -> Rotation:
    house.hub.close()
    try:
        return plan_rotation(house.settings)
    finally:
        house.reopen()


def test_a_plan_changes_nothing(used: House) -> None:
    before = instances(used)
    planned = plan(used)
    assert (planned.instances, planned.after, planned.is_cut_off) == (len(before), "", False)
    assert planned.size_bytes == sum(map(len, objects(used.hub)))
    assert instances(used) == before
    assert not (used.settings.vault_dir / NEXT_KEY_FILE).exists()
    assert used.audited("vault_*") == []


def test_it_refuses_while_somebody_works_with_the_hub(used: House) -> None:
    with pytest.raises(Refused, match="at work"):
        rotate(used.book, occasion=LEAKED, tell=quiet)
    used.hub.close()

    def working(_step: str, _done: int, _total: int) -> None:
        with pytest.raises(Refused, match="new names"):
            Hub.open(used.settings)

    rotate(used.book, occasion=LEAKED, tell=working)
    used.reopen()


def quiet(_step: str, _done: int, _total: int) -> None:
    pass


@pytest.mark.parametrize(
    "occasion", [Occasion(actor="", reason="x"), Occasion(actor="anna", reason=" ")]
)
def test_nobody_rotates_without_name_and_reason(house: House, occasion: Occasion) -> None:
    house.hub.close()
    with pytest.raises(Refused, match="name and a reason"):
        rotate(house.book, occasion=occasion, tell=quiet)


def test_a_hub_without_key_is_not_rotated(used: House) -> None:
    confirmed = plan_destruction(used.settings, used.hub).fingerprint
    destroy(used.book, used.hub, confirmed=confirmed, occasion=ANNA)
    used.hub.close()
    with pytest.raises(KeyDestroyed):
        rotate(used.book, occasion=LEAKED, tell=quiet)


def test_postgresql_is_refused_with_what_to_do(house: House) -> None:
    settings = house.settings.model_copy(update={"catalog_url": "postgresql://nowhere/x"})
    house.hub.close()
    for ask in (
        lambda: rotate(Book(settings, house.archive), occasion=LEAKED, tell=quiet),
        lambda: plan_rotation(settings),
    ):
        with pytest.raises(Refused, match="PostgreSQL") as caught:
            ask()
        assert "new hub" in caught.value.hint


def test_a_profile_that_keeps_names_is_refused(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "keeping.yaml"
    profile.write_text("name: keeping\npurpose: test\noptions: [retain uids]\n")
    monkeypatch.setenv("SIGHTLINE_DEID_PROFILE", str(profile))
    settings = Settings(data_dir=house.settings.data_dir)
    house.door = HubDoor.open(settings)
    house.pass_study(house.receive(1, "P1"))
    house.hub.close()
    with pytest.raises(Refused, match="113110"):
        rotate(Book(settings, house.archive), occasion=LEAKED, tell=quiet)
    # What has passed under it is kept, whatever the profile is now.
    with pytest.raises(Refused, match="113110"):
        rotate(house.book, occasion=LEAKED, tell=quiet)


def test_a_damaged_object_is_named_and_nothing_changes(used: House) -> None:
    uid, digest = min(instances(used).items())
    path = used.hub.objects.blobs.path(digest)
    assert path is not None
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    before = rows(used, COLLECTION_MEMBER)
    with pytest.raises(Refused, match=uid) as caught:
        rotated(used)
    assert "--repair-from" in caught.value.hint
    assert rows(used, COLLECTION_MEMBER) == before
    path.write_bytes(content)
    rotated(used)
    assert uid not in instances(used)


def test_what_was_done_is_not_done_again(used: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that stops goes on: with the same key, and with objects that are there still."""
    done: list[str] = []
    content = Rekeying.content

    def counting(self: Rekeying, given: bytes, subject: SubjectId) -> bytes:
        if len(done) == 7:
            raise OSError("the disk is full")
        done.append(subject)
        return content(self, given, subject)

    monkeypatch.setattr(Rekeying, "content", counting)
    with pytest.raises(OSError, match="full"):
        rotated(used)
    assert plan(used).is_cut_off
    book = used.settings.hub_dir / BOOK_FILE
    lines = book.read_text().split("\n")
    assert len(lines) == 9
    (gone, torn), whole = lines[1:3], lines[0]
    # One object was removed as nobody's, one line was cut off by a crash.
    assert used.hub.objects.remove(Digest(gone.split(" ")[2]), older_than_s=0.0)
    book.write_text("\n".join([whole, gone, *lines[3:-1], torn[:-1]]))
    del done[:]
    done.append("one that does not count")
    total = len(instances(used))
    monkeypatch.setattr(Rekeying, "content", lambda *given: done.append("") or content(*given))
    rotated(used)
    assert len(done) - 1 == total - 7 + 2


def test_a_key_that_is_destroyed_takes_a_rotation_that_was_cut_off_with_it(
    used: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = instances(used)
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "rename_records", _full)
        with pytest.raises(OSError, match="full"):
            rotated(used)
    assert set(used.hub.objects.digests()) > set(before.values())
    assert (used.settings.hub_dir / NEXT_CATALOG_FILE).exists()
    planned = plan_destruction(used.settings, used.hub)
    assert NEXT_KEY_FILE in planned.files
    destroy(used.book, used.hub, confirmed=planned.fingerprint, occasion=ANNA)
    assert not [path for path in used.settings.vault_dir.rglob("*") if path.is_file()]
    assert instances(used) == before
    for part in PARTS:
        assert verify_hub_part(used.hub, part, lambda _: None) == []
    left = {path.name for path in used.settings.hub_dir.iterdir()}
    assert not left & {BOOK_FILE, NEXT_CATALOG_FILE}


def _full(*_given: object, **_more: object) -> int:
    raise OSError("the disk is full")


def test_an_empty_hub_gets_a_new_key(house: House) -> None:
    before = house.subject("P1")
    done = rotated(house)
    assert (done.instances, done.subjects, done.identities, done.projects) == (0, 0, 0, ())
    assert house.subject("P1") != before


def test_machines_that_share_a_vault_are_rotated_alike(tmp_path: Path) -> None:
    one, two = House(tmp_path / "one"), House(tmp_path / "two")
    for name in (KEY_FILE, FINGERPRINT_FILE):
        folder = "vault" if name == KEY_FILE else "hub"
        content = (one.settings.data_dir / folder / name).read_bytes()
        (two.settings.data_dir / folder / name).write_bytes(content)
    two.reopen()
    for number, each in enumerate((one, two)):
        each.pass_study(each.receive(number, "P1"))
    before = one.subject("P1")
    rotated(one)
    content = (one.settings.vault_dir / KEY_FILE).read_bytes()
    (two.settings.vault_dir / NEXT_KEY_FILE).write_bytes(content)
    rotated(two)
    for each in (one, two):
        assert set(moments(each.hub)) == {each.subject("P1")} == {one.subject("P1")} != {before}
        each.close()


def test_a_damaged_mark_is_an_error(used: House) -> None:
    used.hub.close()
    for odd in ("", "{}", json.dumps({"format": "x", "version": 1, "projects": []})):
        (used.settings.hub_dir / ROTATING_FILE).write_text(odd)
        with pytest.raises(BadSettings, match="damaged"):
            rotate(used.book, occasion=LEAKED, tell=quiet)
    (used.settings.hub_dir / ROTATING_FILE).unlink()

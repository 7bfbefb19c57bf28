"""How a study is divided among processes."""

from pathlib import Path

from sightline.deid.portions import FolderDoor
from sightline.deid.profile import DEFAULT_PROFILE, load_profile
from sightline.deid.vault import Vault
from sightline.values.identity import Digest, InstanceUid, Patient, SeriesUid, StudyUid
from sightline.values.study import IdentifiedInstance, IdentifiedStudy


def study_of(series: list[int], *, size_bytes: int = 1) -> IdentifiedStudy:
    """Give a study with so many instances in each of its series, whose files are nowhere."""
    instances = tuple(
        IdentifiedInstance(
            uid=InstanceUid(f"1.{number}.{index}"),
            series_uid=SeriesUid(f"1.{number}"),
            sop_class_uid="1.2",
            digest=Digest(""),
            read=bytes,
            size_bytes=size_bytes,
        )
        for number, count in enumerate(series)
        for index in range(count)
    )
    patient = Patient(patient_id="P", issuer="")
    return IdentifiedStudy(uid=StudyUid("1"), patient=patient, revision=1, instances=instances)


def sizes(
    vault: Vault, study: IdentifiedStudy, *, left: int, removes_faces: bool = False
) -> list[int]:
    profile = load_profile(DEFAULT_PROFILE)
    door = FolderDoor(vault=vault, profile=profile, removes_faces=removes_faces)
    portions = list(door.portions(study, Path("out"), left=left))
    divided = [each.uid for portion in portions for each in portion.study.instances]
    assert sorted(divided) == sorted(each.uid for each in study.instances)
    return [len(portion.study.instances) for portion in portions]


def test_portions_are_whole_until_the_end_and_small_then(vault: Vault) -> None:
    assert sizes(vault, study_of([300]), left=10_000) == [128, 128, 44]
    study = study_of([100])
    assert sizes(vault, study, left=1000) == [1000 // 16, 38]
    at_the_end = sizes(vault, study, left=100)
    assert at_the_end == sorted(at_the_end, reverse=True)
    assert at_the_end[0] == 6
    assert at_the_end[-2] == 4


def test_a_portion_is_little_enough_for_memory(vault: Vault) -> None:
    study = study_of([6], size_bytes=40 * 1024**2)
    assert sizes(vault, study, left=1000) == [2, 2, 2]


def test_where_faces_go_series_stay_whole(vault: Vault) -> None:
    study = study_of([40, 50, 3])
    assert sizes(vault, study, left=93, removes_faces=True) == [40, 50, 3]

"""A patient's story through the door: intervals, doses and ages stay, names and dates do not.

PET objects, because their uptake values depend on two moments, a dose and a weight.
"""

import dataclasses
import datetime as dt
import hashlib
import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage

from sightline.deid.door import pass_door
from sightline.deid.hub_door import copy_vault
from sightline.deid.rekeying import Rekeying
from sightline.deid.vault import Vault
from sightline.formats.dicom_file import read_header
from sightline.values.identity import Digest, InstanceUid, Patient, SeriesUid, StudyUid, SubjectId
from sightline.values.study import IdentifiedInstance, IdentifiedStudy
from tests.deid.conftest import KEY, vault_at
from tests.deid.studies import private_uids
from tests.instances import ROOT, part10_of, slice_of

STUDIES, SITES = 5, ("NORTH", "SOUTH", "EAST")
OTHER_KEY = bytes(range(100, 132))
HALF_LIFE_S = 6586.2
SIZES = [pytest.param(20, id="20"), pytest.param(200, id="200", marks=pytest.mark.gate)]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One study of a patient, as it was.

    Attributes:
        scan: when the scan began.
        injection: when the tracer was given; up to hours before, also the day before.
        born: the day.
    """

    patient: Patient
    number: int
    site: int
    scan: dt.datetime
    injection: dt.datetime
    born: dt.date
    weight_kg: float
    dose_bq: float
    zone: str

    @property
    def age(self) -> str:
        """As DICOM says it."""
        birthday_to_come = (self.scan.month, self.scan.day) < (self.born.month, self.born.day)
        return f"{self.scan.year - self.born.year - birthday_to_come:03d}Y"

    def dataset(self) -> Dataset:
        """Make the object."""
        uid = f"{ROOT}.{self.patient.patient_id[1:]}.{self.site}.{self.number}"
        dataset = slice_of(
            1,
            size=4,
            SOPClassUID=PositronEmissionTomographyImageStorage,
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.1",
            SOPInstanceUID=f"{uid}.1.1",
            FrameOfReferenceUID=f"{uid}.2",
            PatientID=self.patient.patient_id,
            PatientName=self.patient.name,
            PatientBirthDate=f"{self.born:%Y%m%d}",
            PatientAge=self.age,
            PatientWeight=f"{self.weight_kg:.1f}",
            PatientSize="1.74",
            Modality="PT",
            TimezoneOffsetFromUTC=self.zone,
            StudyDate=_date(self.scan),
            SeriesDate=_date(self.scan),
            AcquisitionDate=_date(self.scan),
            ContentDate=_date(self.scan),
            StudyTime=_time(self.scan),
            SeriesTime=_time(self.scan),
            AcquisitionTime=_time(self.scan),
            ContentTime=_time(self.scan),
            AcquisitionDateTime=_date(self.scan) + _time(self.scan) + self.zone,
            Units="BQML",
            DecayCorrection="START",
            CorrectedImage=["ATTN", "DECY", "SCAT"],
            SeriesType=["STATIC", "IMAGE"],
            RescaleIntercept=0,
            RescaleSlope="2.718281828",
            ActualFrameDuration=180000,
            FrameReferenceTime="90000",
            DecayFactor="1.0123456",
        )
        tracer = Dataset()
        tracer.RadionuclideTotalDose = f"{self.dose_bq:.1f}"
        tracer.RadionuclideHalfLife = f"{HALF_LIFE_S}"
        tracer.RadionuclidePositronFraction = "0.967"
        tracer.RadiopharmaceuticalStartTime = _time(self.injection)
        tracer.RadiopharmaceuticalStartDateTime = (
            _date(self.injection) + _time(self.injection) + self.zone
        )
        dataset.RadiopharmaceuticalInformationSequence = [tracer]
        return dataset


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """A visit and what left of it."""

    visit: Visit
    before: pydicom.Dataset
    after: pydicom.Dataset
    content: bytes
    subject: SubjectId
    uids: set[str]


def visits(patients: int) -> Iterator[Visit]:
    """Draw patients, each studied five times at each of three sites that share their ids."""
    draw = random.Random(20)  # noqa: S311 - a test
    for number in range(patients):
        patient = Patient(patient_id=f"P{number:04d}", issuer="REGION", name=f"Odalind^{number}")
        born = dt.date(1938, 1, 1) + dt.timedelta(days=draw.randrange(24000))
        for site in range(len(SITES)):
            for study in range(STUDIES):
                scan = dt.datetime(2012, 1, 1) + dt.timedelta(  # noqa: DTZ001 - the scanner's clock
                    seconds=draw.randrange(12 * 365 * 86400)
                )
                # Some scans begin after midnight, and their tracer was given before.
                if study == 0:
                    scan = scan.replace(hour=0, minute=draw.randrange(50))
                yield Visit(
                    patient=patient,
                    number=study,
                    site=site,
                    scan=scan,
                    injection=scan - dt.timedelta(seconds=draw.randrange(3000, 7000)),
                    born=born,
                    weight_kg=draw.uniform(40, 130),
                    dose_bq=draw.uniform(1.5e8, 5e8),
                    zone=draw.choice(["+0100", "-0500", "+0530", ""]),
                )


def passed(visit: Visit, vault: Vault) -> Passed:
    dataset = visit.dataset()
    if not visit.zone:
        del dataset.TimezoneOffsetFromUTC
    content = part10_of(dataset)
    study = pass_door(study_of(content, visit.patient), vault).study
    assert study is not None
    content = study.instances[0].content
    after = pydicom.dcmread(io.BytesIO(content))
    return Passed(
        visit=visit,
        before=dataset,
        after=after,
        content=content,
        subject=study.subject_id,
        uids=private_uids(after),
    )


def study_of(content: bytes, patient: Patient) -> IdentifiedStudy:
    header = read_header(content)
    instance = IdentifiedInstance(
        uid=InstanceUid(header.instance_uid),
        series_uid=SeriesUid(header.series_uid),
        sop_class_uid=header.sop_class_uid,
        digest=Digest(hashlib.sha256(content).hexdigest()),
        read=lambda: content,
    )
    return IdentifiedStudy(
        uid=StudyUid(header.study_uid), patient=patient, revision=1, instances=(instance,)
    )


def moments(dataset: Dataset) -> list[dt.datetime]:
    """Every moment that an object names."""
    tracer = dataset.RadiopharmaceuticalInformationSequence[0]
    pairs = ("Study", "Series", "Acquisition", "Content")
    texts = [f"{dataset[f'{each}Date'].value}{dataset[f'{each}Time'].value}" for each in pairs]
    texts += [dataset.AcquisitionDateTime, tracer.RadiopharmaceuticalStartDateTime]
    return [_moment(text) for text in texts]


def uptake(dataset: Dataset) -> np.ndarray:
    """SUV by body weight, from the object alone (QIBA FDG-PET/CT profile, decay to the start)."""
    tracer = dataset.RadiopharmaceuticalInformationSequence[0]
    start = _moment(f"{dataset.SeriesDate}{dataset.SeriesTime}")
    given = _moment(tracer.RadiopharmaceuticalStartDateTime)
    decayed = float(tracer.RadionuclideTotalDose) * 2 ** (
        -(start - given).total_seconds() / float(tracer.RadionuclideHalfLife)
    )
    stored = np.frombuffer(dataset.PixelData, dtype="<i2").astype(np.float64)
    activity = stored * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    return activity * float(dataset.PatientWeight) * 1000 / decayed


def uptake_without_a_date(dataset: Dataset) -> float:
    """The seconds between tracer and scan by times of day alone, as older objects need."""
    tracer = dataset.RadiopharmaceuticalInformationSequence[0]
    start, given = (
        dt.datetime.strptime(text[:6], "%H%M%S")  # noqa: DTZ007 - times of day
        for text in (dataset.SeriesTime, tracer.RadiopharmaceuticalStartTime)
    )
    return (start - given).total_seconds() % 86400


@pytest.fixture(scope="module", params=SIZES)
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Passed], list[Passed]]:
    """Take everybody through the doors of three machines with one key, and of one with another."""
    folder = tmp_path_factory.mktemp("machines")
    first = vault_at(folder / "0")
    machines = [first]
    for number in (1, 2):
        copy_vault(folder / "0", folder / str(number))
        machines.append(Vault.at(folder / str(number)))
    other = vault_at(folder / "other", OTHER_KEY)
    drawn = list(visits(request.param))
    assert len(drawn) == request.param * STUDIES * len(SITES)
    return (
        [passed(each, machines[each.site]) for each in drawn],
        [passed(each, other) for each in drawn],
    )


def test_intervals_are_equal_to_the_second(told: tuple[list[Passed], list[Passed]]) -> None:
    first: dict[str, Passed] = {}
    for each in told[0]:
        # All moments of a patient, at every site, against the first one.
        anchor = first.setdefault(each.visit.patient.patient_id, each)
        old, new = (
            [moment - moments(which)[0] for moment in moments(now)]
            for which, now in ((anchor.before, each.before), (anchor.after, each.after))
        )
        assert new == old
        assert moments(each.before)[0] == each.visit.scan.replace(microsecond=0)


def test_offsets_are_the_patients_own(told: tuple[list[Passed], list[Passed]]) -> None:
    offsets: dict[str, set[dt.timedelta]] = {}
    for each in told[0]:
        found = {
            old - new for old, new in zip(moments(each.before), moments(each.after), strict=True)
        }
        offsets.setdefault(each.visit.patient.patient_id, set()).update(found)
    assert all(len(found) == 1 for found in offsets.values())
    distinct = {next(iter(found)) for found in offsets.values()}
    assert len(distinct) >= 0.95 * len(offsets)
    assert all(dt.timedelta(days=1) <= each <= dt.timedelta(days=3650) for each in distinct)
    assert not any(each.seconds for each in distinct)


def test_machines_that_share_the_key_name_one_subject(
    told: tuple[list[Passed], list[Passed]],
) -> None:
    subjects: dict[str, set[str]] = {}
    for each in told[0]:
        assert each.after.PatientID == each.after.PatientName == each.subject
        subjects.setdefault(each.visit.patient.patient_id, set()).add(each.subject)
    assert all(len(found) == 1 for found in subjects.values())
    assert len(set.union(*subjects.values())) == len(subjects)


def test_the_same_number_of_another_hospital_is_another_subject(tmp_path: Path) -> None:
    vault = vault_at(tmp_path)
    found = {vault.pseudonym(Patient(patient_id="P0001", issuer=site)) for site in SITES}
    assert len(found) == len(SITES)


def test_another_key_shares_nothing(told: tuple[list[Passed], list[Passed]]) -> None:
    ours, theirs = told
    for of in (lambda each: each.uids, lambda each: {each.subject}):
        assert not set().union(*map(of, ours)) & set().union(*map(of, theirs))
    for one, two in zip(ours, theirs, strict=True):
        dates = list(zip(moments(one.after), moments(two.after), strict=True))
        assert all(mine != other for mine, other in dates)


def test_nothing_of_the_archive_is_left(told: tuple[list[Passed], list[Passed]]) -> None:
    for each in told[0]:
        assert not private_uids(each.before) & each.uids
        assert len(each.uids) == len(private_uids(each.before))
        for old, new in zip(moments(each.before), moments(each.after), strict=True):
            assert old.date() != new.date()


def test_uptake_values_stay(told: tuple[list[Passed], list[Passed]]) -> None:
    largest = 0.0
    after_midnight = 0
    for each in told[0]:
        before, after = uptake(each.before), uptake(each.after)
        assert before.max() > 0
        largest = max(largest, float(np.max(np.abs(after - before) / np.abs(before).max())))
        assert uptake_without_a_date(each.after) == uptake_without_a_date(each.before)
        after_midnight += each.visit.injection.date() < each.visit.scan.date()
        tracer = each.after.RadiopharmaceuticalInformationSequence[0]
        assert tracer.RadiopharmaceuticalStartTime == _time(each.visit.injection)
        assert each.after.DecayCorrection == "START"
        assert each.after.Units == "BQML"
    assert after_midnight >= len(told[0]) // 10
    assert largest <= 1e-6


def test_a_release_keeps_the_story_under_other_names(
    told: tuple[list[Passed], list[Passed]],
) -> None:
    names = [Rekeying(Vault(bytes(each) + KEY[each:])) for each in (1, 2)]
    first: dict[str, tuple[dt.datetime, dt.datetime]] = {}
    seen: tuple[set[str], set[str]] = (set(), set())
    for each in told[0]:
        one, two = (
            pydicom.dcmread(io.BytesIO(name.content(each.content, each.subject))) for name in names
        )
        starts = first.setdefault(each.subject, (moments(each.after)[0], moments(one)[0]))
        hub, out = (
            [moment - start for moment in moments(now)]
            for start, now in zip(starts, (each.after, one), strict=True)
        )
        assert out == hub
        np.testing.assert_allclose(uptake(one), uptake(each.after), rtol=1e-12)
        assert one.PatientID == names[0].subject(each.subject) != two.PatientID
        for found, released in zip(seen, (one, two), strict=True):
            assert not private_uids(released) & each.uids
            found.update(private_uids(released), {released.PatientID})
    assert not seen[0] & seen[1]


def test_zones_stay_and_moments_agree_with_them(told: tuple[list[Passed], list[Passed]]) -> None:
    for each in told[0]:
        assert each.after.get("TimezoneOffsetFromUTC", "") == each.visit.zone
        assert str(each.after.AcquisitionDateTime).endswith(each.visit.zone or "")


def test_ages_stay_and_no_birth_date_contradicts_them(
    told: tuple[list[Passed], list[Passed]],
) -> None:
    for each in told[0]:
        years = int(each.visit.age[:3])
        assert each.after.PatientAge == (each.visit.age if years <= 89 else "090Y")
        # A moved birth date would tell the age of those above 89; there is none.
        assert each.after.PatientBirthDate == ""
        assert each.after.PatientWeight == each.before.PatientWeight
        assert each.after.PatientSize == each.before.PatientSize


def _date(moment: dt.datetime) -> str:
    return f"{moment:%Y%m%d}"


def _time(moment: dt.datetime) -> str:
    return f"{moment:%H%M%S}.000000"


def _moment(text: str) -> dt.datetime:
    return dt.datetime.strptime(str(text)[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007 - the scanner's clock

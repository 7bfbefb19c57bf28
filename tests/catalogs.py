"""Generated catalogs of a hospital's size, without files, and searches of them."""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator
from urllib.parse import urlencode

import sqlalchemy as sa

from sightline.catalog.archive_tables import PATIENT, SERIES, STUDY
from sightline.catalog.database import Database

INSTANCES_A_STUDY = 10
_SYLLABLES = "ba be bi bo da de do fa fe ga go ha ho ka ke ko la le lo ma me mo na no pa ra re ro sa so ta to va vo wa za".split()  # noqa: SIM905 - a table
_ENDINGS = ("", "n", "r", "s", "sen", "er", "mann", "ova", "ez")
_MODALITIES = {"CT": 30, "CR": 25, "MR": 20, "US": 10, "DX": 10, "MG": 4, "NM": 1}
_FIRST_DAY = dt.date(2015, 1, 1)
_DAYS = 3650
_BATCH = 20_000
_INSTANCES = """
INSERT INTO instance (uid, series_uid, study_uid, sop_class_uid, transfer_syntax_uid, number,
    "rows", "columns", frames, digest, size_bytes, received_at, source)
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :each)
SELECT series.uid || '.' || counted.n, series.uid, series.study_uid,
    '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', counted.n, 512, 512, 1, series.uid,
    526000, 0.0, 'generated'
FROM series CROSS JOIN counted
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedStudy:
    """What a search of a generated study may ask for."""

    uid: str
    name: str
    date: str
    time: str
    modality: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StudyQuery:
    """OHIF's search of studies; an empty text asks for nothing."""

    term: str
    modality: str
    first: str
    last: str

    @property
    def path(self) -> str:
        given = {
            "limit": "101",
            "offset": "0",
            "fuzzymatching": "false",
            "includefield": "00081030,00080060,00080090,00100030",
        }
        if self.term:
            given["PatientName"] = f"*{self.term}*"
        if self.modality:
            given["ModalitiesInStudy"] = self.modality
        if self.first:
            given["StudyDate"] = f"{self.first}-{self.last}"
        return f"/archive/studies?{urlencode(given)}"

    def matches(self, study: GeneratedStudy) -> bool:
        """Tell the plain way."""
        return (
            self.term.lower() in study.name.lower()
            and (not self.modality or self.modality == study.modality)
            and (not self.first or self.first <= study.date <= self.last)
        )


def fill(database: Database, *, studies: int, seed: int = 1) -> list[GeneratedStudy]:
    """Enter `studies` studies of ten instances each, two thirds as many patients as studies."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable catalog
    count = max(1, studies * 2 // 3)
    patients = [_patient(chance, number) for number in range(1, count + 1)]
    made = [_study(chance, number, patients) for number in range(studies)]
    rows = [
        {
            "uid": study.uid,
            "patient": patient,
            "study_date": study.date,
            "study_time": study.time,
            "accession_number": f"A{number:07}",
            "description": f"{study.modality} examination",
            "study_id": str(number),
            "referring_physician": "Referrer^Generated",
            "modalities": f"|{study.modality}|",
            "first_received_at": 0.0,
            "last_received_at": 0.0,
            "revision": INSTANCES_A_STUDY,
            "completed_revision": INSTANCES_A_STUDY,
            "complete_because": "generated",
            "started_revision": INSTANCES_A_STUDY,
            "door": "",
            "door_revision": 0,
        }
        for number, (study, patient) in enumerate(made)
    ]
    series = [
        {
            "uid": f"{study.uid}.{each}",
            "study_uid": study.uid,
            "modality": study.modality,
            "number": each,
            "description": "generated",
            "body_part": "",
            "manufacturer": "",
            "manufacturer_model": "",
        }
        for study, _ in made
        for each in (1, 2)
    ]
    with database.write() as connection:
        for table, content in ((PATIENT, patients), (STUDY, rows), (SERIES, series)):
            for start in range(0, len(content), _BATCH):
                connection.execute(table.insert(), content[start : start + _BATCH])
        connection.execute(sa.text(_INSTANCES), {"each": INSTANCES_A_STUDY // 2})
    if database.engine.dialect.name == "postgresql":  # what it does by itself within minutes
        with database.engine.connect() as connection:
            quiet = connection.execution_options(isolation_level="AUTOCOMMIT")
            quiet.execute(sa.text("VACUUM ANALYZE"))
    return [study for study, _ in made]


def queries(studies: list[GeneratedStudy], count: int, seed: int = 2) -> Iterator[StudyQuery]:
    """Vary what OHIF asks: parts of names, short and long, frequent, rare and absent."""
    chance = random.Random(seed)  # noqa: S311 - repeatable queries
    for _ in range(count):
        name = chance.choice(studies).name.partition("^")[0]
        length = chance.choice((1, 2, 3, 4, 5, 8))
        start = chance.randrange(max(1, len(name) - length + 1))
        term = chance.choice(
            (name[start : start + length], name[start : start + length], "qxq", "")
        )
        first = _FIRST_DAY + dt.timedelta(days=chance.randrange(_DAYS))
        last = first + dt.timedelta(days=chance.choice((0, 7, 90, 365, 3650)))
        has_range = chance.random() < 0.8
        yield StudyQuery(
            term=term,
            modality=chance.choice((_modality(chance), _modality(chance), "NM", "")),
            first=f"{first:%Y%m%d}" if has_range else "",
            last=f"{last:%Y%m%d}" if has_range else "",
        )


def _patient(chance: random.Random, number: int) -> dict[str, object]:
    family = _word(chance, 3) + chance.choice(_ENDINGS)
    name = f"{family.capitalize()}^{_word(chance, 2).capitalize()}"
    return {
        "id": number,
        "patient_id": f"GENERATED-{number:07}",
        "issuer": "",
        "name": name,
        "birth_date": "19700101",
        "sex": chance.choice("FM"),
    }


def _study(
    chance: random.Random, number: int, patients: list[dict[str, object]]
) -> tuple[GeneratedStudy, object]:
    patient = chance.choice(patients)
    day = _FIRST_DAY + dt.timedelta(days=chance.randrange(_DAYS))
    study = GeneratedStudy(
        uid=f"1.2.826.0.1.3680043.10.1234.99.{number}",
        name=str(patient["name"]),
        date=f"{day:%Y%m%d}",
        time=f"{chance.randrange(24):02}{chance.randrange(60):02}{chance.randrange(60):02}",
        modality=_modality(chance),
    )
    return study, patient["id"]


def _modality(chance: random.Random) -> str:
    return chance.choices(list(_MODALITIES), list(_MODALITIES.values()))[0]


def _word(chance: random.Random, syllables: int) -> str:
    return "".join(chance.choice(_SYLLABLES) for _ in range(syllables))

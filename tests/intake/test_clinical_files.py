"""Clinical data from files: all of a file or nothing, and a repeat changes nothing."""

from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.clinical import messages, records_of_study, waiting_records
from sightline.archive.receiving import keep
from sightline.errors import BadFile, BadMessage, BadSettings
from sightline.intake.clinical_files import import_clinical
from sightline.intake.clinical_tables import TableMapping
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.formats.test_fhir import ORDER, PATIENT, bundle
from tests.instances import STUDY, part10_of, slice_of
from tests.mllp import message

MAPPING = """\
name: laboratory
issuer: NORTH
patient_id: Patient
date: Taken
date_format: "%d.%m.%Y"
delimiter: ";"
values:
  - {column: CRP, title: C-reactive protein, unit: mg/l}
  - {column: Outcome}
"""
TABLE = "Patient;Taken;CRP;Outcome\r\nPHANTOM-1;01.02.2024;12,5;\r\nX;02.02.2024;;died\r\n"


@pytest.fixture
def mapping(tmp_path: Path) -> TableMapping:
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING)
    return TableMapping.from_file(path)


def test_a_table(
    archive: Archive, settings: Settings, mapping: TableMapping, tmp_path: Path
) -> None:
    keep(archive, part10_of(slice_of(1)), Source(name="test", default_issuer="NORTH"))
    path = tmp_path / "table.csv"
    path.write_text(TABLE, encoding="utf-8-sig")
    said = import_clinical(archive, path, settings, mapping=mapping)
    assert len(said.records) == 2
    (kept,) = records_of_study(archive, StudyUid(STUDY))
    assert (kept.record.title, kept.record.text) == ("C-reactive protein", "12,5")
    assert [each.record.text for each in waiting_records(archive)] == ["died"]
    assert import_clinical(archive, path, settings, mapping=mapping).records == ()
    path.write_text(TABLE.replace("12,5", "13"), encoding="utf-8")
    import_clinical(archive, path, settings, mapping=mapping)
    (kept,) = records_of_study(archive, StudyUid(STUDY))
    assert kept.record.text == "13"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Patient;Taken;CRP\r\n", "no column Outcome"),
        (TABLE.replace("02.02.2024", "2024-02-02"), "date of row 2"),
        ("Patient;Taken;CRP;Outcome\r\n", "no value"),
        (TABLE.replace("died", '"died'), "no CSV"),
    ],
)
def test_a_bad_table_is_refused_whole(
    archive: Archive,
    settings: Settings,
    mapping: TableMapping,
    tmp_path: Path,
    text: str,
    why: str,
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(BadMessage, match=why):
        import_clinical(archive, path, settings, mapping=mapping)
    assert waiting_records(archive) == []
    assert [each.state for each in messages(archive)] == ["refused"]


def test_a_bundle_and_a_message(archive: Archive, settings: Settings, tmp_path: Path) -> None:
    for name, content in (
        ("bundle.json", bundle(PATIENT, ORDER)),
        ("message.hl7", message("ADT^A08", "PID|||7", control_id="1")),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert import_clinical(archive, path, settings).changes
    assert [each.kind for each in messages(archive)] == ["fhir", "hl7"]
    with pytest.raises(BadFile, match="cannot be read"):
        import_clinical(archive, tmp_path / "missing", settings)


@pytest.mark.parametrize("text", ["name: x", "values: [", "name: x\nvalues: []\nother: 1"])
def test_a_mapping_that_does_not_validate(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings, match=r"mapping\.yaml"):
        TableMapping.from_file(path)

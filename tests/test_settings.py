"""Settings that name other systems are refused where they cannot be meant."""

from pathlib import Path

import pytest

from sightline.errors import BadSettings
from sightline.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("results_hl7", "engine:2575"),
        ("results_hl7", "[::1]:2575/tls"),
        ("results_fhir", "https://ehr.example/fhir/R4"),
        ("results_fhir", "http://127.0.0.1:8080"),
    ],
)
def test_who_is_told_is_written_as_address(tmp_path: Path, name: str, value: str) -> None:
    settings = Settings.load(data_dir=tmp_path, **{name: value})
    assert getattr(settings, name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("results_hl7", "engine"),
        ("results_hl7", "hl7://engine:2575"),
        ("results_hl7", "engine:2575/ssl"),
        ("results_fhir", "ehr.example/fhir"),
        ("results_fhir", "ftp://ehr.example/fhir"),
        ("results_fhir", "https://user:secret@ehr.example/fhir"),
        ("results_fhir", "https://ehr.example/fhir?key=secret"),
    ],
)
def test_what_is_no_address_is_refused_at_the_start(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=name):
        Settings.load(data_dir=tmp_path, **{name: value})


def test_a_process_that_is_started_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems = {"NORTH": "urn:oid:1.2.3"}
    given = Settings.load(data_dir=tmp_path, results_fhir_systems=systems, results_hl7="e:1")
    for name, value in given.as_environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == given

"""The study page shows order, report and values; what waits for a study is shown too."""

import httpx

from sightline.archive.receiving import keep
from sightline.intake.mllp import Hl7Receiver
from sightline.settings import Settings
from sightline.values.arrival import Source
from tests.instances import part10_of, slice_of
from tests.mllp import code_of, message
from tests.web.stage import Stage
from tests.web.test_pages import text_of

PID = "PID|1||PHANTOM-1||Probe^One"
OBR = "OBR|1||F1|CT^CT chest|||20240131|||||||||||A1"


def test_orders_reports_and_values(stage: Stage, empty_url: str) -> None:
    arrival = keep(stage.archive, part10_of(slice_of(1)), Source(name="test"))
    hl7 = Hl7Receiver(stage.archive, Settings(data_dir=stage.folder.parent))
    hostile = "<script>alert(1)</script>"
    said = [
        message("ORM^O01", PID, OBR, f"NTE|1||Rule out PE {hostile}", control_id="1"),
        message("ORU^R01", PID, OBR, "OBX|1|TX|R^R||No nodules~Normal", control_id="2"),
        message(
            "ORU^R01",
            PID,
            "OBR|1||L1|X|||20240201",
            "OBX|1|NM|CRP^C-reactive protein||12.5|mg/l",
            control_id="3",
        ),
        message(
            "ORU^R01",
            "PID|1||OTHER||Probe^Two",
            "OBR|1||L2|X|||20240201",
            "OBX|1|NM|NA^Sodium||140",
            control_id="4",
        ),
        message("ADT^A03", PID, control_id="5"),
    ]
    assert [code_of(hl7.receive(each)) for each in said] == ["AA"] * 4 + ["AR"]
    answer = httpx.get(f"{empty_url}/studies/{arrival.study_uid}")
    words = text_of(answer)
    assert hostile not in answer.text
    for expected in (
        "Order: CT chest Rule out PE",
        "Report: CT chest No nodules Normal",
        "tied by accession number",
        "C-reactive protein 12.5 mg/l",
    ):
        assert expected in words, expected
    assert "Sodium" not in words
    words = text_of(httpx.get(f"{empty_url}/clinical"))
    for expected in ("observation Sodium", "OTHER", "no study agrees with it yet", "refused"):
        assert expected in words, expected
    assert "C-reactive" not in words


def test_nothing_came_yet(empty_url: str) -> None:
    words = text_of(httpx.get(f"{empty_url}/clinical"))
    assert "Nothing waits" in words
    assert "No message has come" in words

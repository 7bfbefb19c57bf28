"""pydicom's deid: its default recipe, and one of one's own on top that keeps the patient's story.

The default recipe removes every UID, date and time, and its documentation says not to use it
verbatim. The one on top uses what the documentation shows: UIDs by `pydicom_uuid` with stable
remapping, `JITTER` by the patient's own number of days, functions for the patient and for times: a
`KEEP` does not reach the times within sequences.
"""

import hashlib
import logging
import tempfile
from pathlib import Path
from typing import Any

import pydicom
from deid.config import DeidRecipe
from deid.dicom.parser import DicomParser
from deid.logger import bot
from drive import MAX_DAYS, SECRET, drive

RECIPE = """FORMAT dicom

%header

ADD PatientIdentityRemoved YES
KEEP endswith:ClassUID
REPLACE PatientID func:pseudonym
REPLACE PatientName func:pseudonym
REPLACE select:VR:UI deid_func:pydicom_uuid
REPLACE select:VR:TM func:same
JITTER select:VR:DA var:jitter
JITTER select:VR:DT var:jitter
"""


def clean(source: Path, target: Path) -> None:
    """Clean one file."""
    parser = DicomParser(str(source), recipe=_RECIPE)
    patient = str(parser.dicom.get("PatientID", ""))
    digest = hashlib.sha256(SECRET + patient.encode()).hexdigest()
    parser.define("jitter", -(1 + int(digest[:8], 16) % MAX_DAYS))
    parser.define("pseudonym", lambda **_: digest[:16])
    parser.define("same", lambda field, **_: field.element.value)
    parser.reset_preamble()
    parser.parse(remove_private=True)
    parser.dicom.save_as(target)


def _recipe() -> Any:  # noqa: ANN401 - the peer has no types
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "deid.dicom.longitudinal"
        path.write_text(RECIPE)
        return DeidRecipe(deid=str(path), base=True)


bot.level = 0
logging.disable(logging.CRITICAL)
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
_RECIPE = _recipe()

if __name__ == "__main__":
    drive(clean)

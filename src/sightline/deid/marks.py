"""What the door writes into every instance: that, how and how far it was de-identified.

PS3.15 E.1.1 and PS3.3 C.12.1.1 (SOP Common), C.7.1.1 (Patient), C.7.6.1 (General Image).
"""

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sightline.deid.attributes import TABLE_EDITION
from sightline.deid.codes import coded_item
from sightline.deid.dataset import PIXEL_TAGS, Dataset, Element
from sightline.deid.faces import RECOGNIZABLE_VISUAL_FEATURES
from sightline.values.identity import SubjectId

PROFILE = "Sightline default deny"
METHODS = (
    codes.DCM.BasicApplicationConfidentialityProfile,
    codes.DCM.CleanStructuredContentOption,
    codes.DCM.CleanDescriptorsOption,
    codes.DCM.RetainLongitudinalTemporalInformationModifiedDatesOption,
    codes.DCM.RetainPatientCharacteristicsOption,
)
PIXELS_CLEANED = codes.DCM.CleanPixelDataOption


def options(*, are_pixels_cleaned: bool) -> tuple[str, ...]:
    """Name the options of the profile, for a certificate."""
    return tuple(f"{method.value} {method.meaning}" for method in _methods(are_pixels_cleaned))


_PATIENT_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_IDENTITY_REMOVED, _METHOD, _METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
_BURNED_IN, _DATES_MODIFIED = 0x00280301, 0x00280303


def mark(
    elements: Dataset,
    subject_id: SubjectId,
    *,
    shows_face: bool | None,
    are_pixels_cleaned: bool = False,
) -> Dataset:
    """Return the elements together with the marks.

    Args:
        elements: what passed the walk.
        subject_id: written as patient id and name.
        shows_face: None for an object that shows no surface of the body.
        are_pixels_cleaned: text was looked for in the pixels, and what was found is black.
    """
    marks = {
        _PATIENT_NAME: Element("PN", subject_id.encode("ascii")),
        _PATIENT_ID: Element("LO", subject_id.encode("ascii")),
        _IDENTITY_REMOVED: Element("CS", b"YES"),
        _METHOD: Element("LO", f"{PROFILE}\\{TABLE_EDITION}".encode("ascii")),
        _METHOD_CODES: Element("SQ", b"", tuple(map(coded_item, _methods(are_pixels_cleaned)))),
        _DATES_MODIFIED: Element("CS", b"MODIFIED"),
    }
    if not PIXEL_TAGS.isdisjoint(elements):
        # Kinds and signs of burned-in text are held or blackened before this.
        marks[_BURNED_IN] = Element("CS", b"NO")
    if shows_face is not None:
        marks[RECOGNIZABLE_VISUAL_FEATURES] = Element("CS", b"YES" if shows_face else b"NO")
    return elements | marks


def _methods(are_pixels_cleaned: bool) -> tuple[Code, ...]:  # a flag of two private callers
    return (*METHODS, PIXELS_CLEANED) if are_pixels_cleaned else METHODS

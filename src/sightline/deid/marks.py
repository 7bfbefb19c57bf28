"""What the door writes into every instance: that, how and how far it was de-identified.

PS3.15 E.1.1 and PS3.3 C.12.1.1 (SOP Common), C.7.1.1 (Patient), C.7.6.1 (General Image).
"""

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sightline.deid.attributes import TABLE_EDITION
from sightline.deid.codes import coded_item
from sightline.deid.dataset import PIXEL_TAGS, Dataset, Element
from sightline.deid.faces import RECOGNIZABLE_VISUAL_FEATURES
from sightline.deid.profile import Profile
from sightline.values.identity import SubjectId

PIXELS_CLEANED = codes.DCM.CleanPixelDataOption

_PATIENT_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_IDENTITY_REMOVED, _METHOD, _METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
_BURNED_IN, _DATES_MODIFIED = 0x00280301, 0x00280303


def options_of(profile: Profile, *, are_pixels_cleaned: bool = False) -> tuple[str, ...]:
    """Return profile and options as a certificate names them: code and meaning."""
    methods = _methods(profile, are_pixels_cleaned=are_pixels_cleaned)
    return tuple(f"{method.value} {method.meaning}" for method in methods)


def mark(
    elements: Dataset,
    subject_id: SubjectId,
    profile: Profile,
    *,
    shows_face: bool | None,
    are_pixels_cleaned: bool = False,
) -> Dataset:
    """Return the elements together with the marks.

    Args:
        elements: what passed the walk.
        subject_id: written as patient id and name.
        profile: named as the method.
        shows_face: None for an object that shows no surface of the body.
        are_pixels_cleaned: text was looked for in the pixels, and what was found is black.
    """
    methods = _methods(profile, are_pixels_cleaned=are_pixels_cleaned)
    marks = {
        _PATIENT_NAME: Element("PN", subject_id.encode("ascii")),
        _PATIENT_ID: Element("LO", subject_id.encode("ascii")),
        _IDENTITY_REMOVED: Element("CS", b"YES"),
        _METHOD: Element("LO", f"Sightline {profile.name}\\{TABLE_EDITION}".encode("ascii")),
        _METHOD_CODES: Element("SQ", b"", tuple(map(coded_item, methods))),
        _DATES_MODIFIED: Element("CS", _dates_of(profile)),
    }
    if not PIXEL_TAGS.isdisjoint(elements):
        # Kinds and signs of burned-in text are held or blackened before this.
        marks[_BURNED_IN] = Element("CS", b"NO")
    if shows_face is not None:
        marks[RECOGNIZABLE_VISUAL_FEATURES] = Element("CS", b"YES" if shows_face else b"NO")
    return elements | marks


def _dates_of(profile: Profile) -> bytes:
    if profile.has("retain full dates"):
        return b"UNMODIFIED"
    return b"MODIFIED" if profile.has("retain modified dates") else b"REMOVED"


def _methods(profile: Profile, *, are_pixels_cleaned: bool) -> tuple[Code, ...]:
    return (*profile.methods, PIXELS_CLEANED) if are_pixels_cleaned else profile.methods

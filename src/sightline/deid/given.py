"""What an option of PS3.15 retains: the value as it was given (action K of Table E.1-1)."""

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule
from sightline.deid.numbers import PLUGIN as NUMBERS
from sightline.formats.dicom_text import decode
from sightline.values.uids import is_uid

_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
)
_BYTES = frozenset({"OB", "UN"})
_CONTROLS = {*map(chr, range(0x20)), "\x7f"} - set("\t\n\f\r")


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:
    """Return what was given; None where it is nothing of its kind."""
    if attribute.vr == "UI":
        uids = value.decode("latin-1").strip("\0 ").split("\\")
        return "\\".join(uids).encode() if all(is_uid(uid) for uid in uids if uid) else None
    if attribute.vr in _TEXT_VRS:
        text = decode(value, context.charset).strip("\0 ")
        return text.encode() if _CONTROLS.isdisjoint(text) else None
    return value if attribute.vr in _BYTES else NUMBERS.clean(value, attribute, context)


PLUGIN = Rule(action="retained", clean=clean)

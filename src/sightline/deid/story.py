"""Stories of a patient, such as comments: cleaned where free text may pass, else gone."""

from sightline.deid import report_text
from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:
    """Return the story without identifiers; None where free text does not pass."""
    if not value.strip(b"\0 "):
        return b""
    return None if context.known is None else report_text.clean(value, attribute, context)


PLUGIN = Rule(action="text_cleaned", clean=clean)

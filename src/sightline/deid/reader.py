"""Authors: a reader's name becomes their pseudonym, so that the hub can tell readers apart."""

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule
from sightline.formats.dicom_text import decode


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes:  # noqa: ARG001 - a rule
    """Return the pseudonym of an author; empty where nobody is named."""
    return context.vault.reader(decode(value, context.charset)).encode("ascii")


PLUGIN = Rule(action="reader_replaced", clean=clean)

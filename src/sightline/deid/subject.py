"""Patient: name and id become the subject id."""

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes:  # noqa: ARG001 - a rule
    """Return the subject id, whatever stood there."""
    return context.subject_id.encode("ascii")


PLUGIN = Rule(action="patient_replaced", clean=clean)

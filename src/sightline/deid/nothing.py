"""Identity: nothing of the value may leave (PS3.15 Table E.1-1 actions X, Z and D)."""

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return None for a value, and nothing for nothing."""
    return None if value.strip(b"\0 ") else b""


PLUGIN = Rule(action="kept_empty", clean=clean)

"""UIDs: each is mapped with the key, at every depth, so that references still resolve.

PS3.15 Table E.1-1 action U. UIDs that the standard itself defines (SOP classes, transfer
syntaxes, well-known frames of reference) name no instance and stay.
"""

import functools

from pydicom import config
from pydicom.uid import UID

from sightline.deid.attributes import Attribute, storage_classes
from sightline.deid.contract import Context, Rule
from sightline.values.uids import is_uid


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes:  # noqa: ARG001 - a rule
    """Map every UID of a value, well-formed or not."""
    return b"\\".join(_mapped(each, context) for each in value.split(b"\\"))


def _mapped(value: bytes, context: Context) -> bytes:
    original = value.decode("latin-1").strip("\0 ")
    if not original or is_standard(original):
        return original.encode("ascii")
    return context.vault.uid(original).encode("ascii")


@functools.lru_cache(maxsize=4096)
def is_standard(uid: str) -> bool:
    """Tell whether PS3.6 lists a UID; a mere prefix of the standard's root proves nothing."""
    # pydicom's copy of PS3.6 is older than our list of storage classes.
    is_listed = uid in storage_classes() or UID(uid, validation_mode=config.IGNORE).name != uid
    return is_uid(uid) and is_listed


PLUGIN = Rule(action="uid_replaced", clean=clean)

"""Attributes that may be present only beside another one: they go where that one goes.

PS3.3 Type 1C, "required if the other is present", where it may not be present otherwise.
"""

from collections.abc import Mapping

from sightline.deid.dataset import Dataset, Element

_NEEDED = {
    0x00080105: (0x0008010F,),  # Mapping Resource: Context Identifier
    0x00100035: (0x00100033, 0x00100034),  # Patient's Alternative Calendar: the dates written in it
    0x00102298: (0x00102297,),  # Responsible Person Role: Responsible Person
    0x00400033: (0x00400032,),  # Universal Entity ID Type: Universal Entity ID
    0x00700228: (0x00700227,),  # Font Name Type: Font Name
}


def orphans(elements: Mapping[int, Element], kept: Dataset) -> list[int]:
    """List what is kept of a dataset or item though all that it needs was there, and is not kept.

    Args:
        elements: as read.
        kept: what may leave of them.
    """
    return [
        tag
        for tag, needed in _NEEDED.items()
        if tag in kept
        and any(each in elements for each in needed)
        and not any(each in kept for each in needed)
    ]

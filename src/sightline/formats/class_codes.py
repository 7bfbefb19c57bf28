"""Coded meaning of class names: what a viewer or a registry reads beside the plain name.

Codes are those of PS3.16; a name that is not here keeps its meaning in a private code, under the
category Tissue, so that no class is ever given a wrong meaning.
"""

import dataclasses
import re

from pydicom.sr.coding import Code

PRIVATE_SCHEME = "99SIGHTLINE"
VOLUME = Code("118565006", "SCT", "Volume")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
PARTS = Code("PARTS", PRIVATE_SCHEME, "Number of connected parts")

_TISSUE = Code("85756007", "SCT", "Tissue")
_ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_MODIFIERS = {
    "anterior": Code("255549009", "SCT", "Anterior"),
    "posterior": Code("255551008", "SCT", "Posterior"),
    "left": Code("7771000", "SCT", "Left"),
    "right": Code("24028007", "SCT", "Right"),
}
_ANATOMIES = {
    "aorta": Code("15825003", "SCT", "Aorta"),
    "bone": Code("272673000", "SCT", "Bone"),
    "brain": Code("12738006", "SCT", "Brain"),
    "heart": Code("80891009", "SCT", "Heart"),
    "hippocampus": Code("5366008", "SCT", "Hippocampus"),
    "kidney": Code("64033007", "SCT", "Kidney"),
    "liver": Code("10200004", "SCT", "Liver"),
    "lung": Code("39607008", "SCT", "Lung"),
    "pancreas": Code("15776009", "SCT", "Pancreas"),
    "prostate": Code("41216001", "SCT", "Prostate"),
    "spleen": Code("78961009", "SCT", "Spleen"),
    "trachea": Code("44567001", "SCT", "Trachea"),
    "vertebra": Code("51282000", "SCT", "Vertebra"),
    "vessel": Code("59820001", "SCT", "Blood Vessel"),
}
_ABNORMALITIES = {
    # PS3.16 has no code for consolidation; the wider term is true of it.
    "consolidation": Code("112001", "DCM", "Opacity"),
    "cyst": Code("367643001", "SCT", "Cyst"),
    "edema": Code("79654002", "SCT", "Edema"),
    "ground_glass": Code("112120", "DCM", "Ground glass opacity"),
    "hemorrhage": Code("50960005", "SCT", "Hemorrhage"),
    "lesion": Code("52988006", "SCT", "Lesion"),
    "mass": Code("4147007", "SCT", "Mass"),
    "necrosis": Code("6574001", "SCT", "Necrosis"),
    "nodule": Code("27925004", "SCT", "Nodule"),
    "pleural_effusion": Code("60046008", "SCT", "Pleural effusion"),
    "pneumothorax": Code("36118008", "SCT", "Pneumothorax"),
    "tumor": Code("108369006", "SCT", "Neoplasm"),
}
CODED_NAMES = frozenset(_ANATOMIES) | frozenset(_ABNORMALITIES)
"""Class names that have a standard code; sides may stand before or behind an anatomy."""
# The parts of the hippocampus are often named without it.
_WHOLES = {"anterior": "hippocampus", "posterior": "hippocampus"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What a class name means, in codes.

    Attributes:
        modifier: such as Anterior or Left; None where the name has none.
    """

    category: Code
    kind: Code
    modifier: Code | None = None


def meaning_of(class_name: str) -> Meaning:
    """Look a class name up; words may be joined by `_`, `-` or blanks."""
    words = re.sub(r"[\s-]+", "_", class_name.strip().lower())
    words = _WHOLES.get(words, "") + (f"_{words}" if words in _WHOLES else words)
    for name in (words, words.removesuffix("s")):
        if name in _ABNORMALITIES:
            return Meaning(category=_ABNORMAL, kind=_ABNORMALITIES[name])
        if name in _ANATOMIES:
            return Meaning(category=_ANATOMY, kind=_ANATOMIES[name])
    for word, modifier in _MODIFIERS.items():
        whole = words.removeprefix(f"{word}_").removesuffix(f"_{word}")
        if whole != words and whole in _ANATOMIES:
            return Meaning(category=_ANATOMY, kind=_ANATOMIES[whole], modifier=modifier)
    return Meaning(category=_TISSUE, kind=Code(words[:16].upper(), PRIVATE_SCHEME, class_name[:64]))

"""One value through one rule."""

from sightline.deid.attributes import Attribute
from sightline.deid.contract import RULES, Context
from sightline.deid.keep_list import keep_list
from sightline.deid.profile import load_profile
from sightline.deid.vault import Vault
from sightline.values.identity import Patient, SubjectId
from tests.deid.conftest import KEY

ALL_RULES = RULES.all()
VAULT = Vault(KEY)
KEEP = keep_list(load_profile("hub"))
CONTEXT = Context(
    vault=VAULT,
    subject_id=SubjectId("S-AAAAAAAAAA"),
    patient=Patient(patient_id="P"),
    offset_days=400,
    keep_list=KEEP,
)

_BY_KEYWORD = {each.keyword: each for each in KEEP.attributes.values()}


def attribute(keyword: str) -> Attribute:
    return _BY_KEYWORD[keyword]


def cleaned(keyword: str, value: bytes, context: Context = CONTEXT) -> bytes | None:
    """Return what the rule of an attribute lets leave of a value."""
    chosen = attribute(keyword)
    return ALL_RULES[chosen.rule].clean(value, chosen, context)

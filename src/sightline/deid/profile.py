"""A profile: which options of PS3.15 hold, and what is said of single attributes.

Profiles are YAML files that a privacy officer reads and signs; our own lie in `profiles`.
"""

import functools
import hashlib
import importlib.resources
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic
import yaml
from pydicom.datadict import keyword_dict
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sightline.errors import BadSettings

DEFAULT_PROFILE = "hub"

Option = Literal[
    "clean graphics",
    "clean structured content",
    "clean descriptors",
    "retain full dates",
    "retain modified dates",
    "retain patient characteristics",
    "retain device identity",
    "retain uids",
    "retain safe private",
    "retain institution identity",
]

# PS3.15 E.3 and PS3.16 CID 7050. What cleans pixels (113101) and faces (113102) is no option of a
# profile: an output says so where it was done.
_CODES: dict[str, Code] = {
    "clean graphics": codes.DCM.CleanGraphicsOption,
    "clean structured content": codes.DCM.CleanStructuredContentOption,
    "clean descriptors": codes.DCM.CleanDescriptorsOption,
    "retain full dates": codes.DCM.RetainLongitudinalTemporalInformationFullDatesOption,
    "retain modified dates": codes.DCM.RetainLongitudinalTemporalInformationModifiedDatesOption,
    "retain patient characteristics": codes.DCM.RetainPatientCharacteristicsOption,
    "retain device identity": codes.DCM.RetainDeviceIdentityOption,
    "retain uids": codes.DCM.RetainUidsOption,
    "retain safe private": codes.DCM.RetainSafePrivateOption,
    "retain institution identity": codes.DCM.RetainInstitutionIdentityOption,
}
_CLEANS_TEXT: tuple[Option, ...] = ("clean structured content", "clean descriptors")
_COLUMNS = {
    "clean graphics": "graphics",
    "clean structured content": "structured",
    "clean descriptors": "descriptors",
    "retain full dates": "full_dates",
    "retain modified dates": "modified_dates",
    "retain patient characteristics": "patient",
    "retain device identity": "device",
    "retain uids": "uids",
    "retain institution identity": "institution",
}


def _known(keyword: str) -> str:
    if keyword not in keyword_dict:
        raise ValueError(f"the data dictionary has no attribute {keyword}")
    return keyword


Keyword = Annotated[str, pydantic.AfterValidator(_known)]


class Profile(pydantic.BaseModel):
    """What may leave.

    Attributes:
        name: stands in every output and certificate.
        options: of PS3.15 E.3, besides the basic profile.
        patient_characteristics: which of them leave where that option holds; None is all.
        beyond_table: whether attributes that Table E.1-1 does not name pass by the rule for their
            kind of value, or not at all.
        rules: rules of single attributes, whatever table and options say.
        remove: attributes that never leave, whatever table and options say.
        free_text: whether reports and comments leave, cleaned of what identifies, or only where
            they hold words of the lists alone.
        digest: SHA-256 of the file.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, pydantic.StringConstraints(pattern=r"[a-z][a-z0-9-]{0,31}")]
    purpose: str
    options: tuple[Option, ...] = ()
    patient_characteristics: tuple[Keyword, ...] | None = None
    beyond_table: Literal["by kind", "remove"] = "by kind"
    rules: dict[Keyword, str] = {}
    remove: frozenset[Keyword] = frozenset()
    free_text: bool = False
    digest: str = ""

    @pydantic.model_validator(mode="after")
    def _check_dates(self) -> Self:
        if {"retain full dates", "retain modified dates"} <= set(self.options):
            raise ValueError("dates are either kept or moved: name one of the two options")
        return self

    @pydantic.model_validator(mode="after")
    def _check_free_text(self) -> Self:
        if not self.free_text:
            return self
        missing = [each for each in _CLEANS_TEXT if each not in self.options]
        if missing:
            raise ValueError(f"free_text needs the options {', '.join(_CLEANS_TEXT)}")
        if not {"retain full dates", "retain modified dates"} & set(self.options):
            raise ValueError("free text holds dates: name the option by which they leave")
        return self

    def __hash__(self) -> int:
        return hash((self.name, self.digest, self.options))

    @property
    def label(self) -> str:
        """Name and beginning of the digest, so that a certificate tells what was in force."""
        return f"{self.name} sha256:{self.digest[:16]}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns of Table E.1-1 that hold."""
        return frozenset(_COLUMNS[option] for option in self.options if option in _COLUMNS)

    @property
    def methods(self) -> tuple[Code, ...]:
        """Profile and options as codes of PS3.16 CID 7050."""
        chosen = (_CODES[option] for option in _CODES if option in self.options)
        return (codes.DCM.BasicApplicationConfidentialityProfile, *chosen)

    def has(self, option: Option) -> bool:
        """Tell whether an option holds."""
        return option in self.options


@functools.cache
def load_profile(name: str) -> Profile:
    """Load a profile of this room by its name, or one of a site by the path of its file.

    Raises:
        BadSettings: There is none, or it says what cannot be.
    """
    content = profile_file(name)
    try:
        said = yaml.safe_load(content)
        digest = hashlib.sha256(content).hexdigest()
        return Profile.model_validate({**said, "digest": digest})
    except (yaml.YAMLError, TypeError, pydantic.ValidationError) as error:
        raise BadSettings(
            f"the de-identification profile {name} cannot be used: {_first(error)}",
            hint="docs/reference/de-identification.md shows what a profile may say.",
        ) from error


def profile_file(name: str) -> bytes:
    """Return the file of a profile, for reading or as the start of a site's own.

    Raises:
        BadSettings: There is none.
    """
    try:
        return Path(name).read_bytes() if name.endswith((".yaml", ".yml")) else _own(name)
    except OSError as error:
        raise BadSettings(
            f"there is no de-identification profile {name}",
            hint=f"Name one of {', '.join(profile_names())}, or the path of a .yaml file.",
        ) from error


def profile_names() -> list[str]:
    """Name the profiles of this room."""
    folder = importlib.resources.files("sightline.deid") / "profiles"
    return sorted(each.name.removesuffix(".yaml") for each in folder.iterdir())


def _own(name: str) -> bytes:
    if name not in profile_names():
        raise FileNotFoundError(name)
    folder = importlib.resources.files("sightline.deid") / "profiles"
    return (folder / f"{name}.yaml").read_bytes()


def _first(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).splitlines()[0]

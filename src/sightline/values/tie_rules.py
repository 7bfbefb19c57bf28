"""The rules by which an order, a report or a value finds its study, as a site writes them."""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sightline.errors import BadSettings
from sightline.values.clinical import RecordKind

TieBy: TypeAlias = Literal["accession_number", "study_uid", "patient_and_date"]


class TieRule(BaseModel):
    """One way to find the study of a record.

    Attributes:
        by: what must agree. A record that names a patient is never tied to another one's study.
        kinds: which records may be tied so.
        days_before: with `patient_and_date`: the study may be so many days older than the record.
        days_after: and so many days younger.
        when_several: several studies agree: tie to `all`, to the `nearest` in days, or `wait`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: TieBy
    kinds: tuple[RecordKind, ...] = ("order", "report", "observation")
    days_before: Annotated[int, Field(ge=0, le=3650)] = 0
    days_after: Annotated[int, Field(ge=0, le=3650)] = 0
    when_several: Literal["all", "nearest", "wait"] = "all"


class TieRules(BaseModel):
    """Rules in the order in which they are tried; the first that finds a study decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[TieRule, ...]

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read rules from YAML.

        Raises:
            BadSettings: The file is no YAML, or a rule does not validate.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise _bad(path, f"{where}: {first['msg']}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _bad(path, "it is no YAML") from error


def _bad(path: Path, why: str) -> BadSettings:
    return BadSettings(
        f"{path.name} cannot be used: {why}",
        hint="docs/how-to/connect-hl7.md shows the rules that come with Sightline.",
    )

"""Model packages, version 1: a manifest as JSON, its signature, and the files that it names."""

import dataclasses
import json
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sightline.errors import BadFile, DamagedObject
from sightline.formats.package_files import MANIFEST, SIGNATURE, is_file_name
from sightline.formats.package_plan import check_plan
from sightline.values.package import Described, ModelPackage, PackagedFile, WeightsKind
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

FORMAT, VERSION = "sightline-model-package", 1
SIGNATURE_FORMAT = "sightline-package-signature"

_PLAN_FIELDS = {"format", "version", *(field.name for field in dataclasses.fields(Plan))}
_MADE = (1980, 1, 1, 0, 0, 0)
_DIGEST = r"^[0-9a-f]{64}$"
_OTHERS = {"monai_bundle", "nnunet"}
_ONE_FILE = {"safetensors": "weights.safetensors", "onnx": "weights.onnx"}
_HEX = re.compile(r"[0-9a-f]{64,128}")
# They turn the order in which a text is read.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _is_plain(text: str) -> str:
    for letter in text:
        if unicodedata.category(letter) in {"Cc", "Cs"} or letter in _TURNING:
            raise ValueError("it holds control characters")
    return text


def _is_prose(text: str) -> str:
    _is_plain(text.replace("\n", " "))
    if not text.strip():
        raise ValueError("it is empty")
    return text


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_plain)]
Prose = Annotated[str, Field(max_length=8000), AfterValidator(_is_prose)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Model(_Part):
    name: Name
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=32)]
    title: Line
    publisher: Line
    licence: Line
    intended_use: Prose
    limits: Prose
    card: list[Annotated[str, Field(max_length=1000), AfterValidator(_is_prose)]] = Field(
        default=[], max_length=50
    )


class _Weights(_Part):
    kind: WeightsKind
    members: Annotated[int, Field(ge=1)] = 1
    hints: dict[
        Literal["fold", "orientation", "modality"], Annotated[str, Field(max_length=8)]
    ] = {}


class _File(_Part):
    name: str
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=_DIGEST)]


class _Manifest(_Part):
    format: Literal["sightline-model-package"]
    version: Literal[1]
    model: _Model
    weights: _Weights
    recipe: dict[str, Any]
    plan: dict[str, Any] | None = None
    files: Annotated[list[_File], Field(min_length=1, max_length=1000)]


def write_manifest(package: ModelPackage) -> bytes:
    """Return the manifest; the same package gives the same bytes."""
    described = package.described
    content = {
        "format": FORMAT,
        "version": VERSION,
        "model": {name: getattr(described, name) for name in _Model.model_fields},
        "weights": {
            "kind": package.weights,
            "members": package.members,
            "hints": package.hints,
        },
        "recipe": package.recipe.model_dump(mode="json"),
        "plan": package.plan.to_json() if package.plan else None,
        "files": [
            {"name": each.name, "size_bytes": each.size_bytes, "sha256": each.sha256}
            for each in package.files
        ],
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def read_manifest(content: bytes) -> ModelPackage:
    """Read a manifest of anybody.

    Raises:
        BadFile: It is none, or says what none says.
        BadRecipe: Its recipe does not validate.
        Refused: Its plan is beyond what networks are.
    """
    try:
        text = content.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        manifest = _Manifest.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise _refusal(f"{place[:80]!r}: {first['msg'][:200]}") from error
    except (ValueError, RecursionError) as error:
        raise _refusal("it is not written as JSON is") from error
    package = ModelPackage(
        described=Described(**{**manifest.model.model_dump(), "card": tuple(manifest.model.card)}),
        weights=manifest.weights.kind,
        recipe=_recipe(manifest.recipe),
        plan=_plan(manifest),
        files=tuple(PackagedFile(**each.model_dump()) for each in manifest.files),
        members=manifest.weights.members,
        hints={str(name): each for name, each in manifest.weights.hints.items()},
    )
    _check_files(package)
    _check_agreement(package)
    return package


def write_signature(public_key: str, signature: str) -> bytes:
    """Return the file that stands beside a manifest."""
    content = {
        "format": SIGNATURE_FORMAT,
        "version": VERSION,
        "public_key": public_key,
        "signature": signature,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def read_signature(content: bytes) -> tuple[str, str]:
    """Return public key and signature; the key says who claims to have signed, and proves nothing.

    Raises:
        BadFile: It is no signature.
    """
    try:
        found = json.loads(content)
        key, signature = found["public_key"], found["signature"]
        is_known = found["format"] == SIGNATURE_FORMAT and found["version"] == VERSION
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise _refusal(f"{SIGNATURE} holds no signature") from error
    parts = (key, signature)
    if not is_known or not all(isinstance(each, str) and _HEX.fullmatch(each) for each in parts):
        raise _refusal(f"{SIGNATURE} holds no signature")
    return key, signature


def write_package(
    path: Path, *, manifest: bytes, signature: bytes, files: Mapping[str, bytes]
) -> None:
    """Write a package as one zip file; the same content gives the same bytes.

    Raises:
        OSError: It cannot be written.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {MANIFEST: manifest, SIGNATURE: signature, **files}.items():
            entry = zipfile.ZipInfo(name, date_time=_MADE)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)


def _recipe(content: dict[str, Any]) -> Recipe:
    return Recipe.from_json(content)


def _plan(manifest: _Manifest) -> Plan | None:
    is_told = manifest.plan is not None
    if is_told == (manifest.weights.kind in _OTHERS):
        raise _refusal("it has a plan where the weights bring theirs, or none where they do not")
    if manifest.plan is None:
        return None
    odd = manifest.plan.keys() - _PLAN_FIELDS
    if odd:
        raise _refusal(f"its plan says {min(odd)[:60]!r}, which no plan does")
    try:
        plan = Plan.from_json(manifest.plan)
    except DamagedObject as error:
        raise _refusal(error.problem) from error
    check_plan(plan, manifest.weights.members)
    return plan


def _check_files(package: ModelPackage) -> None:
    names = [each.name for each in package.files]
    if len(set(names)) < len(names) or not all(map(is_file_name, names)):
        raise _refusal("it names a file twice, or as no file is called")
    if {MANIFEST, SIGNATURE} & set(names):
        raise _refusal("it names itself")
    if {str(each) for name in names for each in PurePosixPath(name).parents} & set(names):
        raise _refusal("it names a file as a folder, too")
    if package.weights in _ONE_FILE and names != [_ONE_FILE[package.weights]]:
        raise _refusal(f"weights as {package.weights} are {_ONE_FILE[package.weights]} alone")


def _check_agreement(package: ModelPackage) -> None:
    plan, recipe = package.plan, package.recipe
    if plan is None:
        return
    theirs = (plan.task, plan.classes, plan.modality)
    if theirs != (recipe.task.kind, tuple(recipe.task.classes), recipe.accepts.modality):
        raise _refusal("its plan and its recipe speak of different tasks, classes or modalities")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _refusal(why: str) -> BadFile:
    return BadFile(
        f"the manifest of the package is refused: {why}",
        hint="Ask its publisher for the file as `sightline models pack` wrote it; the how-to on "
        "model packages tells what a manifest holds.",
    )

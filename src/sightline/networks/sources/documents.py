"""JSON and YAML of others, read without believing it."""

import json
from pathlib import Path
from typing import Any

import yaml

from sightline.errors import BadFile

_LARGEST_BYTES = 64 * 1024**2


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON or YAML file that holds one object.

    Raises:
        BadFile: It cannot be read, or is something else.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise _bad(path, "larger than 64 MiB")
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise _bad(path, str(error.strerror)) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _bad(path, "neither JSON nor YAML") from error
    if not isinstance(found, dict):
        raise _bad(path, "no object")
    return found


def entry(document: dict[str, Any], name: str, *, of: str) -> Any:  # noqa: ANN401 - JSON
    """Return what stands under a name.

    Raises:
        BadFile: Nothing does.
    """
    if name not in document:
        raise BadFile(f"{of} has no {name!r}", hint="Give the whole folder, as it was written.")
    return document[name]


def _bad(path: Path, why: str) -> BadFile:
    return BadFile(
        f"{path.name} cannot be read: {why}", hint="Give the whole folder, as it was written."
    )

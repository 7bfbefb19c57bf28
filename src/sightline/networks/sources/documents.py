"""JSON and YAML of others, read without believing it."""

import json
from pathlib import Path
from typing import Any

import yaml

from sightline.errors import BadFile

_LARGEST_BYTES = 2 * 1024**2
# The reader of YAML is written in Python: a megabyte takes it ten seconds.
_LARGEST_YAML_BYTES = 128 * 1024


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON or YAML file that holds one object.

    Raises:
        BadFile: It cannot be read, or is something else.
    """
    try:
        is_json = path.suffix == ".json"
        largest = _LARGEST_BYTES if is_json else _LARGEST_YAML_BYTES
        if path.stat().st_size > largest:
            raise _bad(path, f"larger than {largest // 1024:,} KiB")
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if is_json else yaml.safe_load(text)
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

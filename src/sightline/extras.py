"""Optional extras: imported where they are used, with an error that says what to install."""

import importlib
import importlib.util
from types import ModuleType

from sightline.errors import MissingExtra


def load(module: str, *, extra: str) -> ModuleType:
    """Import a module that stands on an optional extra.

    Raises:
        MissingExtra: What the module needs is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("sightline"):
            raise
        raise MissingExtra(
            f"{module} needs {error.name!r}, which is not installed",
            hint=f"Run: pip install 'sightline[{extra}]'",
        ) from error


def is_installed(*modules: str) -> bool:
    """Tell whether modules of optional extras are there, without importing them."""
    return all(importlib.util.find_spec(module) is not None for module in modules)

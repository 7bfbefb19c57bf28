"""Extension points: one file, or one entry point of an outside package, adds one thing.

A plug-in's file name is its name, and it defines `PLUGIN`. Listing names imports nothing.
"""

import dataclasses
import functools
import importlib
import importlib.metadata
import pkgutil
import sys
from typing import Generic, TypeVar

from sightline.errors import NameTaken, UnknownName

Plugin = TypeVar("Plugin")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Registry(Generic[Plugin]):
    """The plug-ins of one kind: our own files and outsiders' entry points.

    Attributes:
        package: the folder that holds our own, such as `sightline.formats`; the entry-point
            group has the same name.
        kind: the class every `PLUGIN` is an instance of.
        skip: module names of the folder that are no plug-ins.
    """

    package: str
    kind: type[Plugin]
    skip: frozenset[str] = frozenset()

    def names(self) -> list[str]:
        """List every name without importing a plug-in.

        Raises:
            NameTaken: Two plug-ins claim one name.
        """
        return sorted(self._targets())

    def get(self, name: str) -> Plugin:
        """Import and return one plug-in.

        Raises:
            UnknownName: No plug-in has that name.
            NameTaken: Two plug-ins claim one name.
        """
        return self._import(name, self._targets())

    def all(self) -> dict[str, Plugin]:
        """Import every plug-in and return them by name."""
        targets = self._targets()
        return {name: self._import(name, targets) for name in sorted(targets)}

    def _import(self, name: str, targets: dict[str, str]) -> Plugin:
        if name not in targets:
            raise UnknownName(
                f"{self.package} has no {name!r}",
                hint=f"Known: {', '.join(sorted(targets))}.",
            )
        plugin = importlib.import_module(targets[name]).PLUGIN
        if not isinstance(plugin, self.kind):
            raise UnknownName(
                f"PLUGIN of {targets[name]} is no {self.kind.__name__}",
                hint="See CONTRIBUTING.md, 'Adding a plug-in'.",
            )
        return plugin

    def _targets(self) -> dict[str, str]:
        folder = importlib.import_module(self.package).__path__
        targets = {
            module.name: f"{self.package}.{module.name}"
            for module in pkgutil.iter_modules(folder)
            if not module.name.startswith("_") and module.name not in self.skip
        }
        for entry in _entry_points(self.package, tuple(sys.path)):
            if entry.name in targets and targets[entry.name] != entry.module:
                raise NameTaken(
                    f"{entry.name!r} of {entry.module} is already {targets[entry.name]}",
                    hint=f"Rename or uninstall one of the two plug-ins of {self.package}.",
                )
            targets[entry.name] = entry.module
        return targets


@functools.lru_cache
def _entry_points(group: str, _path: tuple[str, ...]) -> importlib.metadata.EntryPoints:
    """Read once what the packages on the path offer: it takes a file of each of them."""
    return importlib.metadata.entry_points(group=group)

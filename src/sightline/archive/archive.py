"""The handle of the archive."""

import dataclasses
from pathlib import Path
from typing import Self

from sightline.catalog.database import Database, sqlite_url
from sightline.settings import Settings
from sightline.store.durable import make_folder
from sightline.store.objects import ObjectStore


@dataclasses.dataclass(frozen=True, slots=True)
class Archive:
    """The catalog and the objects of the identified store."""

    database: Database
    objects: ObjectStore

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the archive of a data directory, making it on first use.

        Raises:
            BadSettings: The folder or the catalog cannot be used.
        """
        return cls.at(settings.archive_dir)

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Open the archive that lies in `folder`.

        Raises:
            BadSettings: The catalog cannot be used.
        """
        make_folder(folder)
        database = Database.open(sqlite_url(folder / "catalog.db"), "archive")
        return cls(database, ObjectStore.open(folder / "objects"))

    def close(self) -> None:
        """Close the catalog."""
        self.database.close()

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
        return cls.at(
            settings.archive_dir,
            catalog_url=settings.catalog_url,
            objects_url=settings.objects_url,
        )

    @classmethod
    def at(cls, folder: Path, *, catalog_url: str = "", objects_url: str = "") -> Self:
        """Open the archive that lies in `folder`, or where the URLs say.

        Raises:
            BadSettings: The catalog or the objects cannot be used.
            MissingExtra: A URL asks for a client that is not installed.
        """
        make_folder(folder)
        objects = ObjectStore.at(folder / "objects", objects_url, "archive")
        url = catalog_url or sqlite_url(folder / "catalog.db")
        return cls(Database.open(url, "archive"), objects)

    def close(self) -> None:
        """Close the catalog."""
        self.database.close()

"""The handle of the hub."""

import dataclasses
import uuid
from pathlib import Path
from typing import Self

from sightline.catalog.database import Database, sqlite_url
from sightline.errors import Refused
from sightline.hub.lease import Lease
from sightline.settings import Settings
from sightline.store.arrays import StoredArray
from sightline.store.durable import make_folder
from sightline.store.objects import ObjectStore
from sightline.values.identity import LineageId
from sightline.values.lineage import Kind

CATALOG_FILE = "catalog.db"
ROTATING_FILE = "vault.rotating"
"""While it is there, the hub is between two keys: only who rotates it may open it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Hub:
    """The catalog, objects and arrays of the de-identified store.

    Attributes:
        lease: keeps others from giving it new names meanwhile; None where nobody could.
    """

    database: Database
    objects: ObjectStore
    arrays_dir: Path
    lease: Lease | None = None

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the hub of a data directory, making it on first use.

        Raises:
            BadSettings: The folder or the catalog cannot be used.
            Refused: It is being given new names, or a rotation was cut off.
        """
        lease = Lease.shared(settings.hub_dir)
        try:
            check_whole(settings)
            return dataclasses.replace(cls.of(settings), lease=lease)
        except BaseException:
            lease.end()
            raise

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the hub of a data directory for one who holds its lease already.

        Raises:
            BadSettings: The folder or the catalog cannot be used.
        """
        return cls.at(
            settings.hub_dir, catalog_url=settings.catalog_url, objects_url=settings.objects_url
        )

    @classmethod
    def at(cls, folder: Path, *, catalog_url: str = "", objects_url: str = "") -> Self:
        """Open the hub that lies in `folder`, or where the URLs say; its arrays stay there.

        Raises:
            BadSettings: The catalog or the objects cannot be used.
            MissingExtra: A URL asks for a client that is not installed.
        """
        make_folder(folder / "arrays")
        objects = ObjectStore.at(folder / "objects", objects_url, "hub")
        url = catalog_url or sqlite_url(folder / CATALOG_FILE)
        return cls(Database.open(url, "hub"), objects, folder / "arrays")

    def array_path(self, digest: str) -> Path:
        """Return where the array with that digest lies or would lie."""
        return self.arrays_dir / digest

    def array(self, digest: str) -> StoredArray:
        """Open a volume or mask by its digest.

        Raises:
            DamagedObject: It is missing or broken.
        """
        return StoredArray.open(self.array_path(digest))

    def close(self) -> None:
        """Close the catalog."""
        self.database.close()
        if self.lease is not None:
            self.lease.end()


def check_whole(settings: Settings) -> None:
    """Do nothing while all names of the hub come from one key.

    Raises:
        Refused: A rotation was cut off while it replaced the names.
    """
    if (settings.hub_dir / ROTATING_FILE).exists():
        raise Refused(
            "the hub is between two keys: a rotation was cut off",
            hint="Run `sightline vault rotate` again: it goes on where it stopped.",
        )


def new_id(kind: Kind) -> LineageId:
    """Return a fresh opaque id, such as `run-9f2c41d07b3e`."""
    return LineageId(f"{kind}-{uuid.uuid4().hex[:12]}")

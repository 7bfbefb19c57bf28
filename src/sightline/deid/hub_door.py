"""The door of one hub, for those who must not see its key."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from sightline.deid.door import Passage, pass_door
from sightline.deid.folder import FolderPassage, deidentify_folder
from sightline.deid.vault import Vault
from sightline.settings import Settings
from sightline.store.durable import make_folder, write_durably
from sightline.values.identity import HubInstanceUid, InstanceUid
from sightline.values.study import IdentifiedStudy


def copy_vault(source: Path, target: Path) -> None:
    """Copy the folder of the key, readable by its owner alone.

    Raises:
        OSError: A file cannot be read or made durable.
    """
    make_folder(target)
    target.chmod(0o700)
    for path in sorted(source.iterdir()) if source.exists() else []:
        if path.is_file():
            write_durably(target / path.name, path.read_bytes(), mode=0o600)


class HubDoor:
    """Takes studies through the door with the hub's key, which stays inside."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the door of a data directory's hub; its key is made on first use.

        Raises:
            BadSettings: The key is missing or damaged though the hub holds subjects.
        """
        return cls(Vault.open(settings))

    def pass_study(self, study: IdentifiedStudy) -> Passage:
        """De-identify a study; what is not certain is held.

        Raises:
            OSError: A stored file cannot be read.
        """
        return pass_door(study, self._vault)

    def names_of(self, uids: Iterable[InstanceUid]) -> dict[InstanceUid, HubInstanceUid]:
        """Tell what instances are called in the hub, for taking them back there."""
        return {uid: HubInstanceUid(self._vault.uid(uid)) for uid in uids}

    def hub_uid(self, uid: str) -> str:
        """Return the UID that stands for `uid` in the hub."""
        return self._vault.uid(uid)

    def pass_folder(
        self,
        path: Path,
        out: Path,
        *,
        tell: Callable[[int, int], None],
        removes_faces: bool = False,
    ) -> FolderPassage:
        """De-identify the DICOM files below `path` into `out`.

        Raises:
            OSError: A file cannot be read or written.
        """
        return deidentify_folder(path, out, self._vault, tell=tell, removes_faces=removes_faces)

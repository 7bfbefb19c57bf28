"""The door of one hub, for those who must not see its key."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from sightline.archive.clinical import KeptRecord
from sightline.deid.contract import check_rules, name_of
from sightline.deid.door import Passage, hold, pass_door
from sightline.deid.explaining import Explanation, explain, explain_file
from sightline.deid.folder import FolderPassage, Tell, deidentify_folder
from sightline.deid.keep_list import keep_list
from sightline.deid.known_identifiers import NOTHING_KNOWN, KnownIdentifiers
from sightline.deid.profile import Profile, load_profile
from sightline.deid.record_passage import pass_records, series_of_records
from sightline.deid.vault import Vault, check_not_destroyed
from sightline.errors import KeyDestroyed
from sightline.settings import Settings
from sightline.store.durable import make_folder, write_durably
from sightline.values.identity import HubInstanceUid, HubSeriesUid, InstanceUid, StudyUid
from sightline.values.study import DeidentifiedStudy, IdentifiedStudy


def copy_vault(source: Path, target: Path) -> None:
    """Copy the folder of the key, readable by its owner alone; nothing is removed there.

    Raises:
        OSError: A file cannot be read or made durable.
    """
    make_folder(target)
    target.chmod(0o700)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            continue
        content = path.read_bytes()
        if not copy.exists() or copy.read_bytes() != content:
            make_folder(copy.parent)
            write_durably(copy, content, mode=0o600)


class HubDoor:
    """Takes studies through the door with the hub's key, which stays inside.

    Where the key was destroyed, everything is held.
    """

    def __init__(self, settings: Settings, vault: Vault | None, profile: Profile) -> None:
        self._settings = settings
        self._known = vault
        self._profile = profile

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the door of a data directory's hub; its key is made on first use.

        Raises:
            BadSettings: The key is missing or damaged though the hub holds subjects, or the
                profile cannot be used.
        """
        profile = load_profile(settings.deid_profile)
        check_rules(profile)
        # Made once, before a batch divides among processes.
        keep_list(profile)
        try:
            return cls(settings, Vault.open(settings), profile)
        except KeyDestroyed:
            return cls(settings, None, profile)

    @property
    def passes_free_text(self) -> bool:
        """Whether the profile lets reports and comments pass, cleaned."""
        return self._profile.free_text

    @property
    def _vault(self) -> Vault:
        # Another process may destroy the key at any time; what is in memory must not outlive it.
        check_not_destroyed(self._settings)
        assert self._known is not None  # noqa: S101 - only a destroyed key is not known
        return self._known

    def pass_study(
        self, study: IdentifiedStudy, *, known: KnownIdentifiers = NOTHING_KNOWN
    ) -> Passage:
        """De-identify a study; what is not certain is held, and all of it where there is no key.

        Args:
            study: as it came.
            known: what the records know of the patient besides the study itself.

        Raises:
            OSError: A stored file cannot be read.
        """
        try:
            return pass_door(study, self._vault, self._profile, known=known)
        except KeyDestroyed:
            held = tuple(hold(study, instance, "key_destroyed") for instance in study.instances)
            return Passage(study=None, held=held)

    def explain(
        self, study: IdentifiedStudy, *, known: KnownIdentifiers = NOTHING_KNOWN
    ) -> Explanation:
        """Tell what happens to each element of the first instance of a study.

        Args:
            study: as it came.
            known: what the records know of the patient besides the study itself.

        Raises:
            NotDicom: Its bytes are no DICOM file.
            DamagedObject: They are no longer what came.
            OSError: It cannot be read.
        """
        return explain(study, self._vault, self._profile, known=known)

    def explain_file(self, path: Path) -> Explanation:
        """Tell what happens to each element of a file.

        Raises:
            NotDicom: It is no DICOM file.
            OSError: It cannot be read.
        """
        return explain_file(path, self._vault, self._profile)

    def pass_records(
        self, study: IdentifiedStudy, records: Sequence[KeptRecord], known: KnownIdentifiers
    ) -> DeidentifiedStudy | None:
        """De-identify orders, reports and values of a study; None where nothing of them leaves.

        Raises:
            KeyDestroyed: There is no key to do it with.
        """
        return pass_records(study, records, known, vault=self._vault, profile=self._profile)

    def series_of_records(self, study_uid: StudyUid) -> HubSeriesUid:
        """Return the series of the hub that holds the records of a study.

        Raises:
            KeyDestroyed: Nobody can tell any more.
        """
        return series_of_records(study_uid, self._vault)

    def names_of(self, uids: Iterable[InstanceUid]) -> dict[InstanceUid, HubInstanceUid]:
        """Tell what instances are called in the hub, for taking them back there.

        Raises:
            KeyDestroyed: Nobody can tell any more.
        """
        return {uid: HubInstanceUid(self.hub_uid(uid)) for uid in uids}

    def hub_uid(self, uid: str) -> str:
        """Return the UID that stands for `uid` in the hub.

        Raises:
            KeyDestroyed: Nobody can tell any more.
        """
        return name_of(uid, self._vault, self._profile)

    def pass_folder(
        self, path: Path, out: Path, *, processes: int, tell: Tell, removes_faces: bool = False
    ) -> FolderPassage:
        """De-identify the DICOM files below `path` into `out`, whole studies at a time.

        Raises:
            KeyDestroyed: There is no key to do it with.
            OSError: A file cannot be read or written.
        """
        return deidentify_folder(
            path,
            out,
            self._vault,
            profile=self._profile,
            processes=processes,
            removes_faces=removes_faces,
            tell=tell,
        )

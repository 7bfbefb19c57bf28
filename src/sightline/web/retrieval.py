"""Reading instances of the archive for the web, and remembering what was read lately."""

import json
from collections.abc import Mapping

from sightline.archive.archive import Archive
from sightline.archive.search import FoundInstance, Window, search_instances
from sightline.archive.search_keys import Keys
from sightline.errors import UnknownName
from sightline.formats.dicom_json import Frames, read_frames, read_metadata
from sightline.web.recent import Recent

_METADATA_BYTES = 64 * 1024 * 1024
_FRAMES_BYTES = 256 * 1024 * 1024


class Retrieval:
    """Reads instances of the archive, and remembers what was read lately.

    Attributes:
        root: path below which the archive is served.
    """

    def __init__(self, archive: Archive, root: str) -> None:
        self._archive = archive
        self.root = root
        self._metadata = Recent[bytes](limit_bytes=_METADATA_BYTES, size_of=len)
        self._frames = Recent[Frames](limit_bytes=_FRAMES_BYTES, size_of=_size_of_frames)

    def find(self, path: Mapping[str, str]) -> list[FoundInstance]:
        """Return the instances of the study, the series or the instance that a path names.

        Raises:
            UnknownName: There is none.
        """
        keys = Keys(
            study_uids=_named(path, "study_uid"),
            series_uids=_named(path, "series_uid"),
            instance_uids=_named(path, "instance_uid"),
        )
        found = list(search_instances(self._archive, keys, Window()).found)
        if not found:
            raise UnknownName(
                "the archive has nothing at this address",
                hint="Search for studies, series and instances first.",
            )
        return found

    def find_one(self, path: Mapping[str, str]) -> FoundInstance:
        """Return the instance that a path names; of a series, the one in the middle.

        Raises:
            UnknownName: There is none.
        """
        found = self.find(path)
        return found[len(found) // 2]

    def content(self, instance: FoundInstance) -> bytes:
        """Return the Part 10 file.

        Raises:
            DamagedObject: The stored bytes no longer match their digest.
        """
        return self._archive.objects.get(instance.digest)

    def metadata(self, instance: FoundInstance) -> bytes:
        """Return the instance in the DICOM JSON model, as text.

        Raises:
            BadFile: The file is broken.
            DamagedObject: The stored bytes no longer match their digest.
        """
        return self._metadata.get(instance.digest, lambda: self._describe(instance))

    def frames(self, instance: FoundInstance) -> Frames:
        """Return the frames as stored.

        Raises:
            BadFile: The file is broken, or holds no pixels.
            DamagedObject: The stored bytes no longer match their digest.
        """
        return self._frames.get(instance.digest, lambda: read_frames(self.content(instance)))

    def _describe(self, instance: FoundInstance) -> bytes:
        series = instance.series
        place = f"studies/{series.study.uid}/series/{series.uid}/instances/{instance.uid}"
        model = read_metadata(self.content(instance), f"{self.root}/{place}/bulkdata")
        model["00083002"] = {"vr": "UI", "Value": [instance.transfer_syntax_uid]}
        text = json.dumps(model, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        # Odd character sets decode to lone surrogates, which UTF-8 cannot hold.
        return text.encode("utf-8", "replace")


def _named(path: Mapping[str, str], name: str) -> tuple[str, ...]:
    return (path[name],) if name in path else ()


def _size_of_frames(frames: Frames) -> int:
    return sum(len(frame) for frame in frames.frames)

"""Reading instances of the archive for the web, and remembering what was read lately."""

import contextlib
import json
import threading
from collections.abc import Mapping

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.locating import LocatedInstance, locate
from sightline.engines.limited import Limits
from sightline.errors import SightlineError, UnknownName
from sightline.formats.dicom_elements import without_pixels
from sightline.formats.dicom_json import Frames, read_bulk, read_frames, read_metadata
from sightline.values.uids import is_uid
from sightline.web.recent import Recent
from sightline.web.refusals import malformed
from sightline.web.transcoding import decode

_log = log.get("web")
_UIDS = ("study_uid", "series_uid", "instance_uid")
_METADATA_BYTES = 64 * 1024 * 1024
# Studies that are described ahead at a time.
_MOST_LOOKS = 2
_FRAMES_BYTES = 256 * 1024 * 1024


class Retrieval:
    """Reads instances of the archive, and remembers what was read lately.

    Attributes:
        archive: where they are.
        root: path below which the archive is served.
    """

    def __init__(self, archive: Archive, root: str) -> None:
        self.archive = archive
        self.root = root
        self._metadata = Recent[bytes](limit_bytes=_METADATA_BYTES, size_of=len)
        self._frames = Recent[Frames](limit_bytes=_FRAMES_BYTES, size_of=_size_of_frames)
        self._lock = threading.Lock()
        self._looks = 0

    def find(self, path: Mapping[str, str]) -> list[LocatedInstance]:
        """Return the instances of the study, the series or the instance that a path names.

        Raises:
            RefusedRequest: A UID is malformed.
            UnknownName: There is none.
        """
        if not all(is_uid(path[name]) for name in _UIDS if name in path):
            raise malformed("a UID of the address", "Give digits and dots, 64 at most.")
        found = locate(
            self.archive,
            path["study_uid"],
            series_uid=path.get("series_uid", ""),
            instance_uid=path.get("instance_uid", ""),
        )
        if not found:
            raise UnknownName(
                "the archive has nothing at this address",
                hint="Search for studies, series and instances first.",
            )
        return found

    def find_one(self, path: Mapping[str, str]) -> LocatedInstance:
        """Return the instance that a path names; of a series or a study, the image in the middle.

        Raises:
            UnknownName: There is none.
        """
        found = self.find(path)
        images = [each for each in found if each.frames is not None] or found
        return images[len(images) // 2]

    def content(self, instance: LocatedInstance) -> bytes:
        """Return the Part 10 file.

        Raises:
            DamagedObject: The stored bytes no longer match their digest.
        """
        return self.archive.objects.get(instance.digest)

    def metadata(self, instance: LocatedInstance) -> bytes:
        """Return the instance in the DICOM JSON model, as text.

        Raises:
            BadFile: The file is broken.
            DamagedObject: The stored bytes no longer match their digest.
        """
        return self._metadata.get(instance.digest, lambda: self._describe(instance))

    def look_ahead(self, study_uid: str) -> None:
        """Describe a study beside, because its metadata will be asked for in a moment."""
        with self._lock:
            if not is_uid(study_uid) or self._looks >= _MOST_LOOKS:
                return
            self._looks += 1
        threading.Thread(target=self._look_ahead, args=(study_uid,), daemon=True).start()

    def _look_ahead(self, study_uid: str) -> None:
        try:
            # From the end, so that whoever asks meanwhile finds what we have done.
            for each in reversed(locate(self.archive, study_uid)):
                # Whoever asks is told what is wrong.
                with contextlib.suppress(SightlineError):
                    self.metadata(each)
        except OSError as error:
            _log.warning("look_ahead_failed", error=error.errno)
        finally:
            with self._lock:
                self._looks -= 1

    def frames(self, instance: LocatedInstance) -> Frames:
        """Return the frames as stored.

        Raises:
            BadFile: The file is broken, or holds no pixels.
            DamagedObject: The stored bytes no longer match their digest.
        """
        return self._frames.get(instance.digest, lambda: self._split(instance))

    def bulk(self, instance: LocatedInstance, path: str) -> bytes:
        """Return the binary value that a `BulkDataURI` of the metadata names by its `path`.

        Raises:
            BadFile: The file is broken, or holds no binary value there.
            DamagedObject: The stored bytes no longer match their digest.
        """
        content = self.content(instance)
        return Limits.for_bytes(len(content)).call(read_bulk, content, path)

    def _split(self, instance: LocatedInstance) -> Frames:
        content = self.content(instance)
        return Limits.for_bytes(len(content)).call(read_frames, content)

    def decoded_frames(self, instance: LocatedInstance) -> Frames:
        """Return the frames as uncompressed pixels.

        Raises:
            NotDicom: They cannot be decoded.
            DamagedObject: The stored bytes no longer match their digest.
        """

        def decoded() -> Frames:
            content = decode(self.content(instance), frames=instance.frames or 1)
            return Limits.for_bytes(len(content)).call(read_frames, content)

        return self._frames.get(f"{instance.digest} decoded", decoded)

    def _describe(self, instance: LocatedInstance) -> bytes:
        series = f"studies/{instance.study_uid}/series/{instance.series_uid}"
        place = f"{self.root}/{series}/instances/{instance.uid}"
        # To hand the pixels to a child process would take longer than to describe the rest.
        content = without_pixels(self.content(instance))
        model = Limits.for_bytes(len(content)).call(read_metadata, content, f"{place}/bulkdata")
        model["00083002"] = {"vr": "UI", "Value": [instance.transfer_syntax_uid]}
        text = json.dumps(model, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        # Odd character sets decode to lone surrogates, which UTF-8 cannot hold.
        return text.encode("utf-8", "replace")


def _size_of_frames(frames: Frames) -> int:
    return sum(len(frame) for frame in frames.frames)

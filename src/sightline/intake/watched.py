"""A watched folder: what is put there is imported once it is whole, and moved out of the way.

A file is taken when its size and time have stood still for a while; before an instance enters the
catalog it is looked at again, so that none is read by half. Its bytes are durable in the archive
before it moves to `taken/` or, beside a file with the reason, to `refused/`. Whatever happens
between, it is still there and is taken again: a repeat changes nothing.
"""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.errors import BadFile, BadSettings
from sightline.intake.files import ImportReport, import_path
from sightline.store.durable import make_folder, sync_folder, write_durably

_log = log.get("intake")

TAKEN, REFUSED = "taken", "refused"
REASON_SUFFIX = ".reason.txt"

_TICK_S = 1.0
_PAUSE_AFTER_FAILURE_S = 15.0
# How programs name what they have not finished.
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp", "~")
_MOST_REASONS = 1000


class WatchedFolder:
    """Imports what is put into a folder, until it is stopped."""

    def __init__(
        self, archive: Archive, folder: Path, *, quiet_s: float, default_issuer: str = ""
    ) -> None:
        self._archive = archive
        self._default_issuer = default_issuer
        self._folder = folder
        self._quiet_s = quiet_s
        self._seen: dict[Path, tuple[tuple[int, ...], float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watched-folder", daemon=True)

    def start(self) -> None:
        """Watch.

        Raises:
            BadSettings: The folder cannot be made or written.
        """
        try:
            for each in (self._folder, self._folder / TAKEN, self._folder / REFUSED):
                make_folder(each)
        except OSError as error:
            raise BadSettings(
                f"the watched folder {self._folder} cannot be used: {error.strerror}",
                hint="Set watch_dir to a folder that Sightline may write.",
            ) from error
        self._thread.start()
        _log.info("watching", folder=str(self._folder))

    def stop(self) -> None:
        """Finish the file under way, then stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def take_due(self) -> int:
        """Take the files that have stood still for long enough; return how many.

        Raises:
            BadSettings: The archive cannot be written; what was not taken stays where it is.
            OSError: The folder cannot be read or written.
        """
        now, count = clock.monotonic(), 0
        seen: dict[Path, tuple[tuple[int, ...], float]] = {}
        for path in self._files():
            state = _state(path)
            if state is None:
                continue
            before = self._seen.get(path)
            since = before[1] if before is not None and before[0] == state else now
            seen[path] = (state, since)
            if now - since >= self._quiet_s and not self._stop.is_set():
                count += self._take(path, state)
        self._seen = seen
        return count

    def _watch(self) -> None:
        while not self._stop.is_set():
            pause_s = min(_TICK_S, self._quiet_s / 2)
            try:
                self.take_due()
            except (BadSettings, OSError) as error:
                # The disk may be full, the share gone: nothing is lost, it is tried again.
                _log.error("watched_folder_failed", error=type(error).__name__)
                pause_s = _PAUSE_AFTER_FAILURE_S
            self._stop.wait(pause_s)

    def _files(self) -> Iterator[Path]:
        """Give every file below the folder but what was taken, refused or is unfinished."""
        done = {self._folder / TAKEN, self._folder / REFUSED}
        for root, folders, names in os.walk(self._folder):
            here = Path(root)
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and here / name not in done
            )
            for name in sorted(names):
                if not name.startswith(".") and not name.lower().endswith(_UNFINISHED):
                    yield here / name

    def _take(self, path: Path, state: tuple[int, ...]) -> bool:
        if not stat.S_ISREG(state[0]):
            self._move(path, REFUSED, "it is no plain file: links and devices are not followed")
            return True
        try:
            report = import_path(
                self._archive,
                path,
                default_issuer=self._default_issuer,
                is_unchanged=lambda: _state(path) == state,
            )
        except BadFile:
            return False  # it changed or went while it was read: it is looked at again
        if _state(path) != state:
            return False
        reason = _reason(report)
        self._move(path, REFUSED if reason else TAKEN, reason)
        _log.info("watched_file_taken", new=report.new, refused=len(report.refused))
        return True

    def _move(self, path: Path, kind: str, reason: str) -> None:
        """Move a file out of the way; the reason is there before it."""
        target = _free(self._folder / kind / path.relative_to(self._folder))
        make_folder(target.parent)
        if reason:
            write_durably(target.with_name(target.name + REASON_SUFFIX), reason.encode())
        path.rename(target)
        sync_folder(target.parent)
        sync_folder(path.parent)


def _state(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file does; None where it is gone."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns


def _free(path: Path) -> Path:
    """Return a name beside others that nothing has yet."""
    number, free = 1, path
    while free.exists() or free.with_name(free.name + REASON_SUFFIX).exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _reason(report: ImportReport) -> str:
    """Say why a file is refused; nothing where all of it was taken."""
    told = [f"{each.name}: {each.reason}\n  {each.hint}\n" for each in report.refused]
    if not told and not report.studies and not report.missing:
        return "It holds no DICOM instance.\n"
    return "".join(told[:_MOST_REASONS])

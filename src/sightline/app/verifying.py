"""Reading both stores through, and mending what can be mended; it goes on where it stopped."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.verifying import remove_orphan, verify_archive_part
from sightline.errors import UnknownName
from sightline.hub.hub import Hub
from sightline.hub.verifying import verify_hub_part
from sightline.settings import Settings
from sightline.store.blobs import PARTS
from sightline.store.durable import write_durably
from sightline.store.objects import ObjectStore
from sightline.store.seals import mend_array
from sightline.store.verifying import LooseFiles, Source, is_store, mend
from sightline.values.flaw import Flaw
from sightline.values.identity import Digest

STATE_FILE = "verify.json"
STEPS = 2 * len(PARTS)

_log = log.get("app")
_FORMAT = "sightline-verify"
_SAVE_EVERY_S = 5.0


def verify(
    settings: Settings,
    archive: Archive,
    hub: Hub,
    *,
    on_read: Callable[[int], None],
    on_step: Callable[[int], None],
) -> list[Flaw]:
    """Read every object and array, from where an interrupted pass stopped; return what is wrong.

    Args:
        settings: of the data directory, where the progress is kept.
        archive: one store.
        hub: the other.
        on_read: called with the size of what was read.
        on_step: called with the number of the step that begins, of `STEPS`.

    Raises:
        OSError: A store or a catalog cannot be read.
    """
    state = settings.data_dir / STATE_FILE
    first, flaws = _read_state(state)
    saved, step = clock.monotonic(), first
    try:
        while step < STEPS:
            on_step(step)
            part = PARTS[step % len(PARTS)]
            if step < len(PARTS):
                flaws += verify_archive_part(archive, part, on_read)
            else:
                flaws += verify_hub_part(hub, part, on_read)
            step += 1
            if clock.monotonic() - saved >= _SAVE_EVERY_S:
                _write_state(state, step, flaws)
                saved = clock.monotonic()
    finally:
        if step < STEPS:
            _write_state(state, step, flaws)
    state.unlink(missing_ok=True)
    for flaw in flaws:
        _log.error("flaw_found", store=flaw.store, kind=flaw.kind, digest=flaw.digest[:12])
    return flaws


def start_anew(settings: Settings) -> None:
    """Forget how far an interrupted pass came."""
    (settings.data_dir / STATE_FILE).unlink(missing_ok=True)


def repair(archive: Archive, hub: Hub, flaws: Sequence[Flaw], *, backup: Path) -> list[Flaw]:
    """Bring back from a backup, or from any folder of files, what is damaged or missing.

    Raises:
        OSError: Something could not be made durable.
    """
    sources = {
        "archive": _source(backup / "archive" / "objects", backup),
        "hub": _source(backup / "hub" / "objects", backup),
    }
    stores = {"archive": archive.objects, "hub": hub.objects}
    arrays = backup / "hub" / "arrays"
    after = []
    # First who lends, then who borrows.
    for flaw in sorted(flaws, key=lambda flaw: _borrows(stores[flaw.store], flaw)):
        mended = False
        if flaw.kind != "orphan" and flaw.what == "object":
            mended = mend(stores[flaw.store], Digest(flaw.digest), sources[flaw.store])
        elif flaw.kind != "orphan" and arrays.is_dir():
            mended = mend_array(hub.array_path(flaw.digest), arrays / flaw.digest)
        if mended:
            _log.info("flaw_mended", store=flaw.store, digest=flaw.digest[:12])
        after.append(dataclasses.replace(flaw, mended=mended))
    return after


def remove_orphans(archive: Archive, flaws: Sequence[Flaw]) -> list[Flaw]:
    """Remove objects of the archive that no row needs and that are older than a day.

    Raises:
        OSError: The store or the catalog cannot be written.
    """
    return [
        dataclasses.replace(flaw, mended=remove_orphan(archive, Digest(flaw.digest)))
        if (flaw.store, flaw.kind) == ("archive", "orphan")
        else flaw
        for flaw in flaws
    ]


def _source(folder: Path, backup: Path) -> Source:
    return ObjectStore.open(folder) if is_store(folder) else LooseFiles(backup)


def _borrows(objects: ObjectStore, flaw: Flaw) -> bool:
    try:
        return flaw.what == "object" and objects.loan_of(Digest(flaw.digest)) is not None
    except UnknownName:
        return False


def _read_state(path: Path) -> tuple[int, list[Flaw]]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0, []
    if (state.get("format"), state.get("version")) != (_FORMAT, 1):
        return 0, []
    return state["step"], [Flaw(**each) for each in state["flaws"]]


def _write_state(path: Path, step: int, flaws: Sequence[Flaw]) -> None:
    content = {
        "format": _FORMAT,
        "version": 1,
        "step": step,
        "flaws": [dataclasses.asdict(each) for each in flaws],
    }
    write_durably(path, json.dumps(content).encode())

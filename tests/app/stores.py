"""Both stores of a data directory, filled with a little of everything, and damage to them."""

import random
from pathlib import Path

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.values.arrival import Source
from tests.hubs import study_of
from tests.instances import ROOT, part10_of, slice_of, uid

SOURCE = Source(name="dimse:SCANNER")


def fill(settings: Settings, folder: Path, *, instances: int = 6) -> None:
    """Receive a series, one header corrected over the same pixels, and admit two hub studies."""
    archive, hub = Archive.open(settings), Hub.open(settings)
    for number in range(1, instances + 1):
        keep(archive, part10_of(slice_of(number, size=256)), SOURCE)
    keep(archive, part10_of(slice_of(1, size=256, StudyDescription="Corrected")), SOURCE)
    other = {"SOPInstanceUID": uid(900), "SeriesInstanceUID": f"{ROOT}.1.2"}
    keep(archive, part10_of(slice_of(2, size=256, **other)), SOURCE)
    for number in (1, 2):
        admit(hub, study_of(number, folder))
    archive.close()
    hub.close()


def stored_files(settings: Settings) -> list[Path]:
    """Every file of objects and arrays of both stores."""
    folders = ("archive/objects", "hub/objects", "hub/arrays")
    return sorted(
        path
        for folder in folders
        for path in (settings.data_dir / folder).rglob("*")
        if path.is_file()
    )


def flip(path: Path, chance: random.Random) -> bytes:
    """Flip one bit of a file and return what it was."""
    before = path.read_bytes()
    bit = chance.randrange(8 * len(before))
    after = bytearray(before)
    after[bit // 8] ^= 1 << bit % 8
    path.write_bytes(after)
    return before

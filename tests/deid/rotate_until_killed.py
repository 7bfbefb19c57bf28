"""Rotate the key of a data directory; whoever kills this knows from its lines how far it came."""

import sys
from pathlib import Path

from sightline.archive.archive import Archive
from sightline.deid.recording import Book
from sightline.deid.rotation import rotate
from sightline.settings import Settings
from tests.deid.rotations import LEAKED

settings = Settings(data_dir=Path(sys.argv[1]))
archive = Archive.open(settings)
print("ready", flush=True)  # noqa: T201 - whoever kills reads it
rotate(Book(settings, archive), occasion=LEAKED, tell=lambda _step, _done, _total: None)
print("done", flush=True)  # noqa: T201 - the same

"""Only one of backup, verification and retention at a time works on a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sightline.errors import Refused
from sightline.settings import Settings
from sightline.store.durable import make_folder


@contextmanager
def keeping_alone(settings: Settings) -> Iterator[None]:
    """Hold the lock of those who copy, check or remove what is kept.

    Raises:
        Refused: Another one is at work.
    """
    make_folder(settings.data_dir)
    handle = os.open(settings.data_dir / "keeping.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Refused(
            "a backup, a verification or retention is at work in this data directory",
            hint="Let it end, then run this again.",
        ) from error
    finally:
        os.close(handle)

"""Who has the hub open: many at a time who work with it, or one who gives it new names."""

import fcntl
import os
from pathlib import Path
from typing import Self

from sightline.errors import Refused
from sightline.store.durable import make_folder

LOCK_FILE = "in-use.lock"


class Lease:
    """A lock that ends with the process, or before."""

    def __init__(self, folder: Path, operation: int, refusal: Refused) -> None:
        make_folder(folder)
        self._handle: int | None = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, operation | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.end()
            raise refusal from error

    @classmethod
    def shared(cls, folder: Path) -> Self:
        """Work with a hub, as others may.

        Raises:
            Refused: It is being given new names.
        """
        refusal = Refused(
            "the hub is being given new names", hint="Wait for `sightline vault rotate` to end."
        )
        return cls(folder, fcntl.LOCK_SH, refusal)

    @classmethod
    def alone(cls, folder: Path) -> Self:
        """Have a hub for oneself.

        Raises:
            Refused: Somebody works with it.
        """
        refusal = Refused(
            "Sightline is at work in this data directory",
            hint="Stop `sightline up`, workers, trainings and other commands, then run this again.",
        )
        return cls(folder, fcntl.LOCK_EX, refusal)

    def end(self) -> None:
        """Let the hub go; a repeat does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __del__(self) -> None:
        """Let the hub go with the last who knows of it."""
        if getattr(self, "_handle", None) is not None:
            self.end()

"""A receiving process: one of several that share the port of the DICOM listener."""

import gc
import os
import signal
import socket
import threading

from sightline.archive.archive import Archive
from sightline.intake.dimse import Listener
from sightline.settings import Settings

_TICK_S = 0.2


def run_receiver(settings: Settings, *, number: int, descriptor: int, parent: int) -> None:
    """Receive until asked to stop by SIGTERM or SIGINT, or until `parent` is gone.

    Args:
        settings: of the data directory to receive into.
        number: which of the receivers this is, from 1.
        descriptor: of the listening socket that `sightline up` left open for us.
        parent: process id whose end ends the receiver, so that none is left behind.

    Raises:
        BadSettings: The data directory cannot be used.
    """
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda _number, _frame: stop.set())
    archive = Archive.open(settings)
    listener = Listener(archive, settings, receiver=number)
    listener.start(socket.socket(fileno=descriptor))
    # Modules and tables stay: the collector need not go through them again and again.
    gc.freeze()
    try:
        while not stop.wait(_TICK_S):
            if os.getppid() != parent:
                return
    finally:
        listener.stop()
        archive.close()

"""Pausing pynetdicom's reactor so that it cannot take an answer that a request waits for."""

import threading

_REACTOR_TIMEOUT_S = 5.0


class Checkpoint(threading.Event):
    """An event whose `clear` returns when the reactor stands still.

    pynetdicom clears its checkpoint and then trusts a flag that the reactor sets beside it. On a
    busy machine the flag is stale: the reactor, just let go after the request before, takes the
    answer to this one from the queue, and the sender waits for it in vain (pynetdicom's issues 435
    and 875). Here whoever clears waits until the reactor has arrived at a closed checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self._condition = threading.Condition()
        self._is_open = True
        self._is_reactor_here = False

    def is_set(self) -> bool:
        """Tell whether the reactor may pass."""
        return self._is_open

    def set(self) -> None:
        """Let the reactor go."""
        with self._condition:
            self._is_open = True
            self._is_reactor_here = False
            self._condition.notify_all()

    def clear(self) -> None:
        """Close, and return when the reactor stands here, or has not come for some seconds."""
        with self._condition:
            self._is_open = False
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._is_reactor_here, _REACTOR_TIMEOUT_S)

    def wait(self, timeout: float | None = None) -> bool:
        """Stand here while it is closed."""
        with self._condition:
            while not self._is_open:
                self._is_reactor_here = True
                self._condition.notify_all()
                if not self._condition.wait(timeout):
                    return self._is_open
            return True

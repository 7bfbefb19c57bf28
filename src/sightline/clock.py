"""The only door to the time of day."""

import datetime as dt
import time


def now() -> dt.datetime:
    """Return the current time in UTC, with its zone."""
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the door


def timestamp() -> float:
    """Return seconds since the epoch, for comparing with stored times."""
    return time.time()  # noqa: TID251 - this is the door


def monotonic() -> float:
    """Return seconds of a clock that never goes back, for measuring durations."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Sleep for `seconds`."""
    time.sleep(seconds)

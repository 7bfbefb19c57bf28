"""A small memory of what was made lately, bounded by its size."""

import collections
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Keeps the values that were used last, as long as they fit.

    Two threads that miss at once both make the value; that costs time and changes nothing.
    """

    def __init__(self, *, limit_bytes: int, size_of: Callable[[Value], int]) -> None:
        self._limit_bytes = limit_bytes
        self._size_of = size_of
        self._values: collections.OrderedDict[str, Value] = collections.OrderedDict()
        self._size_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], Value]) -> Value:
        """Return the value of `key`, making it where it is not remembered."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values and self._size_of(value) <= self._limit_bytes:
                self._values[key] = value
                self._size_bytes += self._size_of(value)
            while self._size_bytes > self._limit_bytes:
                _, dropped = self._values.popitem(last=False)
                self._size_bytes -= self._size_of(dropped)
        return value

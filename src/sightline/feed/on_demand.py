"""What is worked out when it is first asked for."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class OnDemand(Sequence[T], Generic[T]):
    """A sequence whose items are each made once, when first asked for, by whichever thread asks.

    A run begins at its first batch then, not when every example was looked at.
    """

    def __init__(self, make: Callable[[int], T], count: int) -> None:
        self._make = make
        self._made: dict[int, T] = {}
        self._locks = [threading.Lock() for _ in range(count)]

    def __len__(self) -> int:
        return len(self._locks)

    def is_made(self, index: int) -> bool:
        """Tell whether an item is there already."""
        return index in self._made

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        with self._locks[index]:
            if index not in self._made:
                self._made[index] = self._make(index)
            return self._made[index]

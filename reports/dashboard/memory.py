"""A bounded memory of what never changes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class BoundedMemory(Generic[KeyT, ValueT]):
    """Keeps what was used last; it may be used from several threads.

    Args of the constructor:
        most: the size of all that is kept, at most.
        size_of: tells the size of a value.
    """

    def __init__(self, most: int, size_of: Callable[[ValueT], int] = lambda _: 1) -> None:
        self._most = most
        self._size_of = size_of
        self._size = 0
        self._kept: OrderedDict[KeyT, ValueT] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: KeyT) -> ValueT | None:
        """Return what is kept; None where nothing is."""
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def keep(self, key: KeyT, value: ValueT) -> ValueT:
        """Keep a value, forget what was not used for longest, and return the value."""
        with self._lock:
            replaced = self._kept.pop(key, None)
            self._size += self._size_of(value) - (0 if replaced is None else self._size_of(replaced))
            self._kept[key] = value
            while self._size > self._most:
                _, forgotten = self._kept.popitem(last=False)
                self._size -= self._size_of(forgotten)
        return value

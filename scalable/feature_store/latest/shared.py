"""What is made of files once a process, and let go when nobody has it any more."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from scalable.storage.files import store_of

T = TypeVar("T")


class Shared(Generic[T]):
    """Things that were made of files, one for all threads that have it."""

    def __init__(self) -> None:
        self._held: weakref.WeakValueDictionary[object, T] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def of(self, paths: Sequence[str], make: Callable[[], T]) -> T:
        """Return what is held of some files in the state they are in, made where nothing is."""
        with self._lock:
            name = tuple((path, store_of(path).version(path)) for path in paths)
            found = self._held.get(name)
            if found is None:
                found = self._held[name] = make()
            return found

"""Python's own work between calls of kernels, by one thread at a time.

A kernel lets go of the interpreter's lock and asks for it again. Threads that are in Python at once wait for each other
at every such call, asleep: some 65 us each time, several times a block. And as they then go on at the same time, so
they do with the next block. Who waits once, until the other is through, comes to the next block at another time.
"""

from __future__ import annotations

import functools
import os
import threading
from contextlib import AbstractContextManager
from typing import Any


@functools.cache
def alone() -> AbstractContextManager[Any]:
    """Return what is held over work of parts of a millisecond that waits for nothing; a thread may hold it twice."""
    return threading.RLock()


os.register_at_fork(after_in_child=alone.cache_clear)  # who held it is not there

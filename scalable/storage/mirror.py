"""Ranges of objects as files of this machine: what decodes local files then decodes objects, with the same bits.

A mirror is a file in memory (``memfd_create``), as long as the object and empty but for the ranges that were fetched,
which stand where the object has them. Its memory is given back when nobody has it open any more.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from scalable.storage.files import Range

BUDGET_BYTES = (
    5 * 2**25
)  # of ranges that are kept or fetched ahead; those in use count, and are never given up
GAP_BYTES = 2**18  # between two ranges: reading across it costs less than a second request
REQUEST_BYTES = 2**22  # several requests of one row group run side by side
REQUESTS = 16  # at a time

Key = tuple[Hashable, ...]  # (path, version, whatever else parts the object)
Fetch = Callable[[Key, Range], memoryview]


class Mirror:
    """Some ranges of one version of an object.

    Attributes
    ----------
    users : int
        Who holds it now.
    n_bytes : int
        What was fetched, or is.
    """

    def __init__(self, key: Key, size: int) -> None:
        self.key, self.users, self.n_bytes = key, 0, 0
        self.descriptor = os.memfd_create("object", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, size)
        self._coming: dict[Range, list[Future[None]]] = {}
        self._lock = threading.Lock()

    def ask(self, pool: ThreadPoolExecutor, fetch: Fetch, ranges: Sequence[Range]) -> list[Future[None]]:
        """Begin to fetch those ranges that nobody asked for before; return what is to be waited for."""
        with self._lock:
            new = sorted(each for each in set(ranges) if each not in self._coming)
            for run in _runs(new):
                self.n_bytes += run[-1][1] - run[0][0]
                jobs = [(piece, pool.submit(self._fetch, fetch, piece)) for piece in _requests(run)]
                for begin, end in run:
                    self._coming[begin, end] = [
                        job for (low, high), job in jobs if low < end and high > begin
                    ]
            return [job for each in ranges for job in self._coming[each]]

    def _fetch(self, fetch: Fetch, piece: Range) -> None:
        data, at = fetch(self.key, piece), piece[0]
        while data:
            written = os.pwrite(self.descriptor, data, at)
            data, at = data[written:], at + written

    def failed(self) -> bool:
        """Return whether some range did not come."""
        with self._lock:
            jobs = {id(job): job for some in self._coming.values() for job in some}
        return any(job.done() and job.exception() is not None for job in jobs.values())

    def close(self) -> None:
        """Give the memory back, once those who opened the file are through with it."""
        for some in self._coming.values():
            for job in some:
                job.cancel()
        for some in self._coming.values():
            for job in some:
                if not job.cancelled():
                    job.exception()  # the descriptor must outlive whoever writes to it
        os.close(self.descriptor)


def pieces(ranges: Sequence[Range]) -> list[Range]:
    """Return the requests that fetch these ranges."""
    return [piece for run in _runs(sorted(ranges)) for piece in _requests(run)]


def _requests(run: Sequence[Range]) -> list[Range]:
    """Cut what is fetched together into requests."""
    begin, end = run[0][0], run[-1][1]
    return [(at, min(at + REQUEST_BYTES, end)) for at in range(begin, end, REQUEST_BYTES)]


def _runs(ranges: Sequence[Range]) -> list[list[Range]]:
    """Group sorted ranges that lie so near each other that they are fetched together."""
    runs: list[list[Range]] = []
    end = 0
    for each in ranges:
        if runs and each[0] - end <= GAP_BYTES:
            runs[-1].append(each)
        else:
            runs.append([each])
        end = max(end, each[1])
    return runs


class Mirrors:
    """The mirrors of a process, within one budget of memory.

    Parameters
    ----------
    fetch : callable
        Returns a range of the object of a key ``(path, version, ...)``.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: OrderedDict[Key, Mirror] = OrderedDict()
        self._pool = ThreadPoolExecutor(REQUESTS, "fetch")
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Bytes that were fetched, or are, and not given up; no process that maps nothing of them counts them."""
        with self._lock:
            return sum(mirror.n_bytes for mirror in self._known.values())

    @contextmanager
    def hold(self, key: Key, ranges: Sequence[Range]) -> Iterator[str]:
        """Yield the path of a file with these ranges, which are there; raises OSError where they cannot be had.

        Whoever opens it may keep it open after the block.
        """
        mirror = self._take(key)
        try:
            for job in mirror.ask(self._pool, self._fetch, ranges):
                job.result()
            self._make_room()
            yield f"/proc/self/fd/{mirror.descriptor}"
        finally:
            self._give_back(mirror)

    def expect(self, key: Key, ranges: Sequence[Range]) -> None:
        """Begin to fetch ranges that will be asked for, where the budget has room for them."""
        wanted = sum(end - begin for begin, end in ranges)
        self._make_room(wanted)
        with self._lock:
            if wanted + sum(mirror.n_bytes for mirror in self._known.values()) > BUDGET_BYTES:
                return
        mirror = self._take(key)
        try:
            mirror.ask(self._pool, self._fetch, ranges)
        finally:
            self._give_back(mirror)

    def _take(self, key: Key) -> Mirror:
        with self._lock:
            mirror = self._known.get(key)
            if mirror is None:
                mirror = self._known[key] = Mirror(key, key[1].size)  # type: ignore[attr-defined]  # a Version
            mirror.users += 1
            self._known.move_to_end(key)
            return mirror

    def _give_back(self, mirror: Mirror) -> None:
        with self._lock:
            mirror.users -= 1
            gone = not mirror.users and mirror.failed() and self._known.pop(mirror.key, None) is not None
        if gone:  # asked again, it is fetched again
            mirror.close()

    def _make_room(self, wanted: int = 0) -> None:
        """Give up mirrors that nobody holds, the longest unused first, until the rest is within the budget."""
        with self._lock:
            total, gone = wanted + sum(mirror.n_bytes for mirror in self._known.values()), []
            for key, mirror in list(self._known.items()):
                if total > BUDGET_BYTES and not mirror.users:
                    total -= mirror.n_bytes
                    gone.append(self._known.pop(key))
        for mirror in gone:
            mirror.close()

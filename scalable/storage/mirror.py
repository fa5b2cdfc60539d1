"""Ranges of objects as files of this machine: what decodes local files then decodes objects, with the same bits.

A mirror is a file without a name, as long as the object and empty but for the ranges that were fetched, which stand
where the object has them. As far as there is room it is a temporary file, which the page cache holds as it does local
files, and is kept: who comes again, for the pass after a sample or the next pass, fetches nothing. Else it lies in
memory (``memfd_create``), which is given back when nobody has it open any more.
"""

from __future__ import annotations

import errno
import os
import resource
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from scalable.storage.files import Range
from scalable.storage.spare import spare_page_cache

# Of memory for ranges in use or fetched ahead; those in use count, and are never given up. And of kept ones ahead.
BUDGET_BYTES = 5 * 2**25
GAP_BYTES = 2**18  # between two ranges: reading across it costs less than a second request
REQUEST_BYTES = 2**22  # several requests of one row group run side by side
REQUESTS = 16  # at a time
IDLE_SECONDS = 300  # after which what is kept may make room for others
AHEAD_SECONDS = 60  # after which nobody is likely to come for what was fetched ahead
MOST_EXPECTED = 2**12  # mirrors that wait for room to be fetched ahead
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Key = tuple[Hashable, ...]  # (path, version, whatever else parts the object)
Put = Callable[[int, memoryview], None]  # takes bytes and where they begin
Fetch = Callable[[Key, Range, Put], None]  # hands over a range, piece by piece


class Mirror:
    """Some ranges of one version of an object.

    Attributes
    ----------
    kept : bool
        Whether it is a temporary file, rather than memory.
    users : int
        Who holds it now.
    n_bytes, ahead : int
        What was fetched, or is; and what of it was not yet asked for.
    used : float
        When it was given back, or fetched ahead, last.
    """

    def __init__(self, key: Key, size: int, *, kept: bool) -> None:
        self.key, self.kept, self.users, self.n_bytes, self.ahead = key, kept, 0, 0, 0
        self.used = time.monotonic()
        self.descriptor = _temporary() if kept else os.memfd_create("object", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, size)
        self._coming: dict[Range, list[Future[None]]] = {}
        self._lock = threading.Lock()

    def missing(self, ranges: Sequence[Range]) -> int:
        """Return the bytes that `ask` would begin to fetch."""
        with self._lock:
            return _total(_runs(self._new(ranges)))

    def _new(self, ranges: Sequence[Range]) -> list[Range]:
        return sorted(each for each in set(ranges) if each not in self._coming)

    def ask(self, pool: ThreadPoolExecutor, fetch: Fetch, ranges: Sequence[Range]) -> list[Future[None]]:
        """Begin to fetch those ranges that nobody asked for before; return what is to be waited for."""
        with self._lock:
            runs = _runs(self._new(ranges))
            self.n_bytes += _total(runs)
            for run in runs:
                jobs = [(piece, pool.submit(fetch, self.key, piece, self._put)) for piece in _requests(run)]
                for begin, end in run:
                    self._coming[begin, end] = [
                        job for (low, high), job in jobs if low < end and high > begin
                    ]
            return [job for each in ranges for job in self._coming[each]]

    def _put(self, at: int, data: memoryview) -> None:
        while data:
            written = os.pwrite(self.descriptor, data, at)
            data, at = data[written:], at + written

    def failed(self) -> bool:
        """Return whether some range did not come."""
        with self._lock:
            jobs = {id(job): job for some in self._coming.values() for job in some}
        return any(job.done() and job.exception() is not None for job in jobs.values())

    def close(self) -> None:
        """Give the room back, once those who opened the file are through with it."""
        for some in self._coming.values():
            for job in some:
                job.cancel()
        for some in self._coming.values():
            for job in some:
                if not job.cancelled():
                    job.exception()  # the descriptor must outlive whoever writes to it
        os.close(self.descriptor)


def _temporary() -> int:
    """Return the descriptor of a new file without a name: it is gone however this process ends."""
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


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


def _total(runs: Sequence[Sequence[Range]]) -> int:
    return sum(run[-1][1] - run[0][0] for run in runs)


class Mirrors:
    """The mirrors of a process, within one budget of memory and a share of the page cache.

    Parameters
    ----------
    fetch : callable
        Hands over a range of the object of a key ``(path, version, ...)``.
    room : int, optional
        Bytes that may be kept; by default what `scalable.storage.spare.spare_page_cache` says at the first mirror.
    """

    def __init__(self, fetch: Fetch, room: int | None = None) -> None:
        self._fetch, self._room = fetch, room
        self._known: OrderedDict[Key, Mirror] = OrderedDict()  # those used last at the end
        self._expected: OrderedDict[Key, list[Range]] = OrderedDict()
        self._pool = ThreadPoolExecutor(REQUESTS, "fetch")
        self._lock = threading.Lock()
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4

    def n_bytes(self, *, kept: bool) -> int:
        """Return the bytes that were fetched, or are, and not given up: those in memory, or those that are kept."""
        with self._lock:
            return self._sum(kept)

    @contextmanager
    def hold(self, key: Key, ranges: Sequence[Range]) -> Iterator[str]:
        """Yield the path of a file with these ranges, which are there; raises OSError where they cannot be had.

        Whoever opens it may keep it open after the block.
        """
        mirror = self._ready(key, ranges)
        try:
            yield f"/proc/self/fd/{mirror.descriptor}"
        finally:
            self._give_back(mirror)

    def _ready(self, key: Key, ranges: Sequence[Range]) -> Mirror:
        """Return the mirror of a key that has these ranges, held."""
        while True:
            mirror, jobs = self._take(key, ranges)
            self._go_on()
            try:
                for job in jobs:
                    job.result()
                return mirror
            except BaseException as error:
                self._give_back(mirror)
                full = isinstance(error, OSError) and error.errno in _FULL
                if not (full and mirror.kept):
                    raise
                self._room = 0  # the disk is full: from now on in memory

    def expect(self, key: Key, ranges: Sequence[Range]) -> None:
        """Fetch ranges that will be asked for, in the order of being expected, as soon as the budget has room."""
        with self._lock:
            if key in self._expected or len(self._expected) < MOST_EXPECTED:
                self._expected.setdefault(key, []).extend(ranges)
        self._go_on()

    def expect_no_more(self, paths: Collection[str]) -> None:
        """Forget what is expected of some objects and was not begun to be fetched."""
        with self._lock:
            for key in [key for key in self._expected if key[0] in paths]:
                del self._expected[key]

    def forget(self) -> None:
        """Give up all mirrors that nobody holds."""
        with self._lock:
            gone = [self._known.pop(key) for key, mirror in list(self._known.items()) if not mirror.users]
            self._expected.clear()
        for mirror in gone:
            mirror.close()

    def _go_on(self) -> None:
        """Begin to fetch what is expected, as far as the budget reaches."""
        given_up: list[Mirror] = []
        with self._lock:
            while self._expected:
                key, ranges = next(iter(self._expected.items()))
                mirror = self._find(key, ranges, given_up)
                wanted = mirror.missing(ranges)
                if wanted and (mirror.kept or wanted <= BUDGET_BYTES):
                    taken = self._taken_ahead(mirror, wanted, given_up)
                    if taken and taken + wanted > BUDGET_BYTES:  # one of any size may be kept ahead
                        break
                    mirror.ahead, mirror.used = mirror.ahead + wanted, time.monotonic()
                    mirror.ask(self._pool, self._fetch, ranges)
                del self._expected[key]
        for each in given_up:
            each.close()

    def _taken_ahead(self, mirror: Mirror, wanted: int, given_up: list[Mirror]) -> int:
        """Return what counts against the budget where a mirror is to get so much ahead."""
        if mirror.kept:
            return sum(each.ahead for each in self._ahead() if each.kept)
        return self._make_room(wanted, given_up, keep_ahead=True)

    def _take(self, key: Key, ranges: Sequence[Range]) -> tuple[Mirror, list[Future[None]]]:
        given_up: list[Mirror] = []
        with self._lock:
            self._expected.pop(key, None)
            mirror = self._find(key, ranges, given_up)
            mirror.users += 1
            mirror.ahead = 0
            if not mirror.kept:
                self._make_room(mirror.missing(ranges), given_up)
            jobs = mirror.ask(self._pool, self._fetch, ranges)
        for each in given_up:
            each.close()
        return mirror, jobs

    def _give_back(self, mirror: Mirror) -> None:
        failed = mirror.failed()
        with self._lock:
            mirror.users -= 1
            mirror.used = time.monotonic()
            if failed and self._known.get(mirror.key) is mirror:  # asked again, it is fetched again
                del self._known[mirror.key]
            gone = not mirror.users and self._known.get(mirror.key) is not mirror
        if gone:  # others go on at the next `hold`: who has read one column is likely to come for another
            mirror.close()

    def _find(self, key: Key, ranges: Sequence[Range], given_up: list[Mirror]) -> Mirror:
        """Return the mirror of a key, a new one where there is none or what it lacks may not be kept any more."""
        mirror = self._known.get(key)
        if mirror is not None and not mirror.users:
            wanted = mirror.missing(ranges)
            beyond = wanted and mirror.kept and not self._may_keep(wanted, given_up, key)
            if beyond or (mirror.ahead and mirror.failed()):
                given_up.append(self._known.pop(key))
                mirror = None
        if mirror is None:
            kept = self._may_keep(_total(_runs(sorted(ranges))), given_up, key)
            mirror = self._known[key] = Mirror(key, key[1].size, kept=kept)  # type: ignore[attr-defined]  # a Version
        self._known.move_to_end(key)
        return mirror

    def _may_keep(self, wanted: int, given_up: list[Mirror], key: Key) -> bool:
        """Whether so many bytes more may be kept for a key; what was idle for long makes room for them."""
        if self._room is None:
            self._room = spare_page_cache()
        if wanted > self._room:
            return False
        left = self._sum(kept=True) + wanted
        latest = time.monotonic() - IDLE_SECONDS
        for other, mirror in list(self._known.items()):
            if left <= self._room and len(self._known) < self._most:
                break
            if mirror.kept and not mirror.users and other != key and mirror.used < latest:
                left -= mirror.n_bytes
                given_up.append(self._known.pop(other))
        return left <= self._room and (key in self._known or len(self._known) < self._most)

    def _make_room(self, wanted: int, given_up: list[Mirror], *, keep_ahead: bool = False) -> int:
        """Give up memory that nobody holds, the longest unused first, until `wanted` fits; return what is taken."""
        total, ahead = self._sum(kept=False), self._ahead()
        for key, mirror in list(self._known.items()):
            if total + wanted <= BUDGET_BYTES:
                break
            if not (mirror.kept or mirror.users or (keep_ahead and mirror in ahead)):
                total -= mirror.n_bytes
                given_up.append(self._known.pop(key))
        return total

    def _sum(self, kept: bool) -> int:
        return sum(mirror.n_bytes for mirror in self._known.values() if mirror.kept == kept)

    def _ahead(self) -> list[Mirror]:
        """Return the mirrors with ranges that were fetched ahead, not long ago."""
        latest = time.monotonic() - AHEAD_SECONDS
        return [mirror for mirror in self._known.values() if mirror.ahead and mirror.used >= latest]

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
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from scalable.storage.files import Range
from scalable.storage.spare import allocate, spare_page_cache

# Of memory for ranges in use or fetched ahead; those in use count, and are never given up. And of kept ones ahead.
BUDGET_BYTES = 5 * 2**25
GAP_BYTES = 2**18  # between two ranges: reading across it costs less than a second request
REQUEST_BYTES = 2**22  # several requests of one row group run side by side
# At a time: with 32 large ones a fit near by was slower, and one far away no faster; 16 small ones do not fill a line.
REQUESTS, SMALL_BYTES, SMALL_REQUESTS = 16, 2**20, 48
# After which what is kept may make room for others, and nobody is likely to come for what was fetched ahead.
IDLE_SECONDS, AHEAD_SECONDS = 300, 60
MOST_EXPECTED = 2**12  # parts of objects that wait for room to be fetched ahead
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Key = tuple[Hashable, ...]  # (path, version, whatever else parts the object)
Put = Callable[[int, memoryview], None]  # takes bytes and where they begin
Fetch = Callable[[Key, Range, Put], None]  # hands over a range


class Mirror:
    """Some ranges of one version of an object.

    Attributes
    ----------
    kept : bool
        Whether it is a temporary file, rather than memory.
    users, used : int, float
        Who holds it now; when it was given back last.
    n_bytes : int
        What was fetched, or is.
    """

    def __init__(self, size: int, *, kept: bool) -> None:
        self.kept, self.users, self.n_bytes = kept, 0, 0
        self.used = time.monotonic()
        self.descriptor = _temporary() if kept else os.memfd_create("object", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, size)
        self._coming: dict[Range, list[Future[None]]] = {}
        self._runs: list[_Run] = []  # that were asked for, by their beginnings
        self._ahead: dict[Range, float] = {}  # and when it was asked for
        self._lock, self._writing = threading.Lock(), threading.Lock()

    def missing(self, ranges: Sequence[Range]) -> int:
        """Return the bytes that `ask` would begin to fetch."""
        with self._lock:
            return _total(_runs(self._new(ranges)))

    def _new(self, ranges: Sequence[Range]) -> list[Range]:
        """Return which ranges nobody asked for, or did not come."""
        for each in ranges:
            if each not in self._coming:  # it may lie in a gap that was read across
                k = bisect_right(self._runs, each[0], key=_Run.begin) - 1
                if k >= 0 and self._runs[k].end() >= each[1]:
                    self._coming[each] = self._runs[k].jobs(each)
        return sorted(each for each in set(ranges) if any(map(_failed, self._coming.get(each, [None]))))

    def ask(
        self,
        pools: Sequence[ThreadPoolExecutor],
        fetch: Callable[[Range, Put], None],
        ranges: Sequence[Range],
        *,
        ahead: bool,
    ) -> list[Future[None]]:
        """Begin to fetch those ranges that nobody asked for before; return what is to be waited for."""
        with self._lock:
            new = self._new(ranges)
            runs = _runs(new)
            self.n_bytes += _total(runs)
            for run in runs:
                asked = _Run(
                    [
                        (one, pools[one[1] - one[0] <= SMALL_BYTES].submit(self._bring, fetch, one))
                        for one in _requests(run)
                    ]
                )
                insort(self._runs, asked, key=_Run.begin)
                for each in run:
                    self._coming[each] = asked.jobs(each)
            if ahead:
                self._ahead |= dict.fromkeys(new, time.monotonic())
            else:
                for each in ranges:
                    self._ahead.pop(each, None)
            return [job for each in ranges for job in self._coming[each]]

    def ahead(self) -> int:
        """Return the bytes that were fetched ahead, not long ago, and that nobody has come for."""
        latest = time.monotonic() - AHEAD_SECONDS
        with self._lock:
            return sum(end - begin for (begin, end), at in self._ahead.items() if at >= latest)

    def _bring(self, fetch: Callable[[Range, Put], None], wanted: Range) -> None:
        if self.kept:
            allocate(self.descriptor, *wanted)
        fetch(wanted, self._put)

    def _put(self, at: int, data: memoryview) -> None:
        with self._writing:  # the system lets one write to a file, and others spin
            while data:
                written = os.pwrite(self.descriptor, data, at)
                data, at = data[written:], at + written

    def close(self) -> None:
        """Give the room back, once those who opened the file are through with it."""
        jobs = [job for run in self._runs for _, job in run.requests]
        for job in jobs:
            job.cancel()
        for job in jobs:
            if not job.cancelled():
                job.exception()  # the descriptor must outlive whoever writes to it
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class _Run:
    """Bytes one behind the other, and the requests that bring them."""

    requests: list[tuple[Range, Future[None]]]

    def begin(self) -> int:
        return self.requests[0][0][0]

    def end(self) -> int:
        return self.requests[-1][0][1]

    def jobs(self, wanted: Range) -> list[Future[None]]:
        """Return the requests that bring a range."""
        return [job for (begin, end), job in self.requests if begin < wanted[1] and end > wanted[0]]


def _failed(job: Future[None] | None) -> bool:
    return job is None or (job.done() and job.exception() is not None)


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
        self._kept: OrderedDict[Key, Mirror] = OrderedDict()  # by object; those used last at the end
        self._in_memory: OrderedDict[Key, Mirror] = OrderedDict()  # by part of an object, likewise
        self._expected: OrderedDict[Key, list[Range]] = OrderedDict()
        self._pools = [ThreadPoolExecutor(most, "fetch") for most in (REQUESTS, SMALL_REQUESTS)]
        self._lock = threading.Lock()
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4

    def n_bytes(self, *, kept: bool) -> int:
        """Return the bytes that were fetched, or are, and not given up: those in memory, or those that are kept."""
        with self._lock:
            return _bytes(self._kept if kept else self._in_memory)

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
        """Return a mirror that has these ranges, held."""
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
                self._room = 0  # from now on in memory
                self.forget()

    def _take(self, key: Key, ranges: Sequence[Range]) -> tuple[Mirror, list[Future[None]]]:
        given_up: list[Mirror] = []
        with self._lock:
            self._expected.pop(key, None)
            mirror = self._find(key, ranges, given_up)
            mirror.users += 1
            if not mirror.kept:
                self._make_room(mirror.missing(ranges), given_up)
            jobs = mirror.ask(self._pools, partial(self._fetch, key), ranges, ahead=False)
        for each in given_up:
            each.close()
        return mirror, jobs

    def _give_back(self, mirror: Mirror) -> None:
        """Let go; others go on at the next `hold`: who has read one column is likely to come for another."""
        with self._lock:
            mirror.users -= 1
            mirror.used = time.monotonic()

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
        gone = []
        with self._lock:
            for some in (self._kept, self._in_memory):
                gone += [some.pop(key) for key, mirror in list(some.items()) if not mirror.users]
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
                    if mirror.kept:  # one part of any size may be ahead
                        taken = sum(each.ahead() for each in self._kept.values())
                    else:
                        taken = self._make_room(wanted, given_up, but_ahead=True)
                    if taken and taken + wanted > BUDGET_BYTES:
                        break
                    mirror.ask(self._pools, partial(self._fetch, key), ranges, ahead=True)
                del self._expected[key]
        for each in given_up:
            each.close()

    def _find(self, key: Key, ranges: Sequence[Range], given_up: list[Mirror]) -> Mirror:
        """Return the mirror that has some ranges, or is to have them: a kept one as long as there is room."""
        size = key[1].size  # type: ignore[attr-defined]  # a Version
        mirror = self._kept.get(key[:2])
        wanted = _total(_runs(sorted(ranges))) if mirror is None else mirror.missing(ranges)
        keep = (mirror is not None and not wanted) or self._may_keep(key[:2], wanted, given_up)
        some, name = (self._kept, key[:2]) if keep else (self._in_memory, key)
        if name not in some:
            some[name] = Mirror(size, kept=keep)
        some.move_to_end(name)
        return some[name]

    def _may_keep(self, name: Key, wanted: int, given_up: list[Mirror]) -> bool:
        """Whether so many bytes more may be kept of an object; what was idle for long makes room for them."""
        if self._room is None:
            self._room = spare_page_cache()
        left, latest = _bytes(self._kept) + wanted, time.monotonic() - IDLE_SECONDS
        if wanted > self._room:
            return False
        for other, mirror in list(self._kept.items()):
            if left <= self._room and len(self._kept) < self._most:
                break
            if not mirror.users and other != name and mirror.used < latest:
                left -= mirror.n_bytes
                given_up.append(self._kept.pop(other))
        return left <= self._room and (name in self._kept or len(self._kept) < self._most)

    def _make_room(self, wanted: int, given_up: list[Mirror], *, but_ahead: bool = False) -> int:
        """Give up memory that nobody holds, the longest unused first, until `wanted` fits; return what is taken."""
        total = _bytes(self._in_memory)
        for key, mirror in list(self._in_memory.items()):
            if total + wanted <= BUDGET_BYTES:
                break
            if not (mirror.users or (but_ahead and mirror.ahead())):
                total -= mirror.n_bytes
                given_up.append(self._in_memory.pop(key))
        return total


def _bytes(mirrors: Mapping[Key, Mirror]) -> int:
    return sum(mirror.n_bytes for mirror in mirrors.values())

"""Shards read into the page cache on threads of their own, before they are wanted."""

from __future__ import annotations

import functools
import os
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from scalable.data.shard import Shard

SPARED = 8  # times as many rows are not asked for after some that were in the page cache: a short piece tells little
SOURCES = 8  # of which that is remembered
THREADS = 2  # one waits for the disk, which would wait for the next request while Python is busy
BEHIND = 16  # shards read since, before one is forgotten: others of its row group want what that begins with
_fetched = weakref.WeakKeyDictionary[Any, set[Shard]]()  # in passing, and not yet read, by their source
_read = deque[tuple[weakref.ref[Any], Shard]]()  # to be forgotten, by whoever read them
_asked = [object()]  # another one after each pass that is broken off: what was asked for before is left
_spared: dict[int, int] = {}  # how many are left, by the identity of a source: one that is wrong costs a hint


@functools.cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="fetch")


os.register_at_fork(after_in_child=_thread.cache_clear)  # a forked process has none of its parent's threads


def fetch(reader: Any, shards: Sequence[Shard]) -> Future[None] | None:
    """Have shards fetched that a reader will want soon, in this order, and do not wait.

    Where one is in the page cache, some that follow are taken to be there too: to look takes the interpreter's lock
    from those who learn, and a third thread that wants it makes two wait for each other.

    Parameters
    ----------
    reader : BlockReader or another with ``expect``
        Who will read them.
    shards : sequence of Shard

    Returns
    -------
    Future or None
        Done when all were asked for; None when there is nothing to ask for, or the interpreter is ending.
    """
    with suppress(RuntimeError):
        wanted = shards and not reader.source.in_memory  # waking a thread takes as long as some thousand rows
        if wanted and not _spare(id(reader.source), sum(shard.n_rows for shard in shards)):
            return _thread().submit(_expect, reader, tuple(shards), _asked[0])
    return None


def forget(reader: Any, shard: Shard) -> None:
    """Have a shard that was fetched let go, now that it was read, with some delay; what others had read stays."""
    fetched = _fetched.get(reader.source) if _fetched and getattr(reader, "passing", False) else None
    if fetched and shard in fetched:
        fetched.discard(shard)
        with suppress(RuntimeError):
            _thread().submit(_forget, reader, shard)


@contextmanager
def reading(reader: Any) -> Iterator[None]:
    """Release a reader's source behind a pass; of one that is broken off, nothing more is read that was asked for.

    The process may be about to end. Other passes lose a hint, and memory keeps what is at hand of theirs.
    """
    try:
        yield
    except BaseException:
        _asked[0] = object()
        _fetched.clear()
        raise
    finally:
        reader.source.release()


def _forget(reader: Any, shard: Shard) -> None:
    _read.append((weakref.ref(reader), shard))
    if len(_read) > BEHIND:
        of, first = _read.popleft()
        if (earlier := of()) is not None:
            earlier.forget(first)


def _spare(source: int, n_rows: int) -> bool:
    """Return whether so many rows of a source are taken to be at hand."""
    left = _spared.pop(source, 0) - n_rows
    if left > 0:
        _spared[source] = left
    return left >= 0


def _expect(reader: Any, shards: Sequence[Shard], asked: object) -> None:
    for shard in shards:
        if asked is not _asked[0]:
            return
        if _spare(id(reader.source), shard.n_rows):
            continue
        if reader.expect(shard):
            # Of more than memory holds, the page cache has what is left of another pass, or was just read.
            _spared[id(reader.source)] = 0 if getattr(reader, "passing", False) else SPARED * shard.n_rows
        else:
            _spared.pop(id(reader.source), None)
            if getattr(reader, "passing", False):
                _fetched.setdefault(reader.source, set()).add(shard)
    for oldest in list(_spared)[:-SOURCES]:  # of sources that are gone; others lose a hint
        _spared.pop(oldest, None)

"""Shards asked of the disk on a thread of their own: asking takes as long as the disk takes where its queue is full."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from scalable.data.shard import Shard


@functools.cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="fetch")


os.register_at_fork(after_in_child=_thread.cache_clear)  # a forked process has none of its parent's threads


def fetch(reader: Any, shards: Sequence[Shard]) -> Future[None] | None:
    """Have shards fetched that a reader will want soon, in this order, and do not wait.

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
        return _thread().submit(_expect, reader, tuple(shards)) if wanted else None
    return None


def _expect(reader: Any, shards: Sequence[Shard]) -> None:
    for shard in shards:
        reader.expect(shard)

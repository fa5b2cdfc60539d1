"""Objects written: whole or not at all, or only where there is none, and removed."""

from __future__ import annotations

import errno
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from scalable.storage.files import AnyPath
from scalable.storage.object_access import NO_CONDITIONS, answer, library, split_address

SPOOLED_BYTES = 2**26  # of a file that is written, kept in memory before it goes to a temporary file
CONDITION = ".condition"  # ends the name of an object of no use, which a kill may leave
_keeping: set[tuple[str, str]] = set()  # buckets that keep to If-None-Match


@contextmanager
def replacing(path: AnyPath, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a file that becomes the object when the block ends: in parts, and visible when all of them are there."""
    del durable
    with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as file:
        yield file  # type: ignore[misc]  # has what a binary file has
        upload(path, file)  # type: ignore[arg-type]


def upload(path: AnyPath, file: BinaryIO) -> None:
    """Write what a file holds, see `replacing`."""

    def whole(store: Any, key: str) -> None:
        file.seek(0)  # asked again, it begins anew
        library().put(store, key, file, use_multipart=True)

    answer(path, whole, light=False)


def create(path: AnyPath, data: bytes) -> None:
    """Write an object where there is none; raises FileExistsError where there is one that does not hold the same."""
    _check_conditions(path)
    try:
        _created(path, data)
    except FileExistsError:  # ours, perhaps, if an answer was lost and the request repeated
        if bytes(answer(path, lambda store, key: library().get(store, key).bytes())) != data:
            raise


def _created(path: AnyPath, data: bytes) -> None:
    answer(path, lambda store, key: library().put(store, key, data, mode="create", use_multipart=False))


def _check_conditions(path: AnyPath) -> None:
    """See once a bucket, with an object of no use, that the store writes over none where it is asked not to."""
    bucket = split_address(path)[:2]
    if bucket in _keeping:
        return
    beside = f"{path}.{secrets.token_hex(8)}{CONDITION}"
    try:
        for data in (b"1", b"2"):
            _created(beside, data)
    except FileExistsError:
        _keeping.add(bucket)
    finally:
        remove([beside])
    if bucket not in _keeping:
        raise OSError(errno.ENOTSUP, NO_CONDITIONS, beside)


def remove(paths: Sequence[AnyPath]) -> None:
    """Remove objects; those that are gone already do not matter."""
    for path in paths:
        answer(path, lambda store, key: library().delete(store, key))

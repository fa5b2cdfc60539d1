"""Files of object stores, by obstore; see `scalable.storage.files.Store`.

Credentials and places come from the environment, as other tools read them: ``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP``, else the
profile of ``AWS_PROFILE``, else the role of the machine. They stay there: no path and no file of ours holds them.
Tested with S3; ``gs://`` and ``az://``, which the same library brings, are not.
"""

from __future__ import annotations

import errno
import functools
import io
import re
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from scalable.storage.files import AnyPath, Range, Version
from scalable.storage.mirror import Mirrors
from scalable.storage.object_access import open_bucket, raised
from scalable.storage.patterns import is_hidden, matches

__all__ = [
    "absolute", "descriptor", "everything_below", "expect", "list_files", "local_copy", "marked", "open", "read",
    "remove", "replacing", "resolved", "version", "would_list",
]  # fmt: skip

TRIES = 6  # of a request whose answer broke off; refused ones are repeated by the library, up to ten times
TAIL_BYTES = 2**16  # a footer and more: what is read first of every file, and kept
TAILS_BYTES = 2**26
SPOOLED_BYTES = 2**26  # of a file that is written, kept in memory before it goes to a temporary file


def absolute(path: AnyPath) -> str:
    """Return the path: it means the same everywhere."""
    return str(path)


def resolved(path: AnyPath) -> str:
    """Return the one spelling of a path."""
    scheme, bucket, key = _split(path)
    return f"{scheme}://{bucket}/{key}"


def version(path: AnyPath) -> Version:
    """Return size and ETag."""
    return _version(_answer(path, lambda store, key: _library().head(store, key)))


def version_with_end(path: AnyPath) -> Version:
    """Return size and ETag, with the end of the object, which is kept: by one ranged GET from the end."""

    def asked(store: Any, key: str) -> tuple[Version, bytes]:
        got = _library().get(store, key, options={"range": {"suffix": TAIL_BYTES}})
        now, tail = _version(got.meta), bytes(got.bytes())
        if len(tail) != min(TAIL_BYTES, now.size):
            raise OSError(f"{path}: {len(tail):,} bytes came of the last {TAIL_BYTES:,}")
        return now, tail

    now: Version
    try:
        now, tail = _answer(path, asked)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.EREMCHG):
            raise
        return version(path)  # of empty objects, and where a store has no ranges from the end
    _keep_tail(str(path), now, tail)
    return now


def list_files(path: AnyPath, suffix: str = "") -> list[str]:
    """Return an object, those below a prefix, or those that match a glob or lie below what does."""
    scheme, bucket, key = _split(path)
    if not key or set(key) & set("*?["):
        return _matching(path, suffix)
    with_slash = key.rstrip("/") + "/"
    below = [found for found in _keys(path, with_slash) if not _hidden(found[len(with_slash) :])]
    if below:
        return sorted(f"{scheme}://{bucket}/{found}" for found in below if found.endswith(suffix))
    try:
        version(path)
    except FileNotFoundError:
        _keys(path, with_slash)  # a bucket that is not there is told by its own name
        raise
    return [str(path)]


def _matching(path: AnyPath, suffix: str) -> list[str]:
    scheme, bucket, pattern = _split(path)
    parts = PurePosixPath(pattern).parts
    plain = next((k for k, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    prefix = "".join(f"{part}/" for part in parts[:plain])
    found = []
    for key in _keys(path, prefix):
        names = PurePosixPath(key).parts
        whole = matches(names, parts)
        if not _hidden(key[len(prefix) :]) and (
            whole or (key.endswith(suffix) and any(matches(names[:k], parts) for k in range(1, len(names))))
        ):
            found.append(f"{scheme}://{bucket}/{key}")
    if not found:
        raise FileNotFoundError(str(path))
    return sorted(found)


def _hidden(below: str) -> bool:
    return is_hidden(below.split("/")) or below.endswith("/")


def _keys(path: AnyPath, prefix: str) -> list[str]:
    def listed(store: Any, _: str) -> list[str]:
        return [meta["path"] for page in _library().list(store, prefix or None) for meta in page]

    return [key for key in _answer(path, listed) if key.startswith(prefix)]


def marked(path: AnyPath, files: Sequence[str], name: str) -> list[str]:
    """Return prefixes of objects, or a prefix itself, below which lies another of a name."""
    scheme, bucket, key = _split(path)
    above = key.rstrip("/")
    if not files:
        return [f"{scheme}://{bucket}/{above}"] if _first_below(path, f"{above}/{name}/") else []
    parts = PurePosixPath(above).parts
    plain = next((k for k, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    found = {
        one.partition(f"/{name}/")[0] for one in _keys(path, "/".join(parts[:plain])) if f"/{name}/" in one
    }
    found |= {
        "/".join(parts[:k]) for k in range(1, plain) if _first_below(path, "/".join([*parts[:k], name, ""]))
    }
    inside = [_split(file)[2] for file in files]
    return [
        f"{scheme}://{bucket}/{one}"
        for one in sorted(found)
        if any(key.startswith(f"{one}/") for key in inside)
    ]


def _first_below(path: AnyPath, prefix: str) -> bool:
    def asked(store: Any, _: str) -> bool:
        return any(page for page in _library().list(store, prefix, chunk_size=1))

    return bool(_answer(path, asked))


def would_list(path: AnyPath, suffix: str, file: AnyPath) -> bool:
    """Return whether an object lies where `list_files` looks."""
    place, name = resolved(path).rstrip("/"), resolved(file)
    if name.startswith(place + "/"):
        return name.endswith(suffix) and not _hidden(name[len(place) + 1 :])
    return matches(PurePosixPath(name).parts, PurePosixPath(place).parts)


def open(path: AnyPath, of: Version | None = None) -> BinaryIO:
    """Open an object to read; ranges are fetched as they are asked for."""
    return io.BufferedReader(_Object(str(path), of or version(path)), TAIL_BYTES)


def read(path: AnyPath, offset: int, size: int, of: Version | None = None) -> bytes:
    """Return a range of an object."""
    now = of or version(path)
    return _read(str(path), now, (min(offset, now.size), min(offset + size, now.size)))


def descriptor(path: AnyPath) -> int | None:
    """Return None: see `local_copy`."""
    return None


def local_copy(
    path: AnyPath, of: Version, part: Sequence[int], ranges: Sequence[Range]
) -> AbstractContextManager[str]:
    """Yield a file of this machine that holds some ranges of the object, see `scalable.storage.mirror`."""
    return _mirrors().hold((str(path), of, *part), ranges)


def expect(path: AnyPath, of: Version, part: Sequence[int], ranges: Sequence[Range]) -> None:
    """Begin to fetch ranges that `local_copy` will be asked for."""
    _mirrors().expect((str(path), of, *part), ranges)


@contextmanager
def replacing(path: AnyPath, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a file that becomes the object when the block ends: in parts, and visible when all of them are there."""
    del durable
    with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as file:
        yield file  # type: ignore[misc]  # has what a binary file has
        file.seek(0)
        _answer(path, lambda store, key: _library().put(store, key, file, use_multipart=True))


def everything_below(path: AnyPath) -> list[str]:
    """Return all objects below a prefix, hidden ones too."""
    scheme, bucket, key = _split(path)
    return sorted(
        f"{scheme}://{bucket}/{found}" for found in _keys(path, f"{key.rstrip('/')}/" if key else "")
    )


def remove(paths: Sequence[AnyPath]) -> None:
    """Remove objects; those that are gone already do not matter."""
    for path in paths:
        _answer(path, lambda store, key: _library().delete(store, key))


class _Object(io.RawIOBase):
    """An object as a file, for whoever reads files."""

    def __init__(self, path: str, now: Version) -> None:
        self._path, self._version, self._at = path, now, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._version.size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._version.size)
        data = _read(self._path, self._version, (self._at, stop)) if stop > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


_tails: OrderedDict[tuple[str, Version], bytes] = OrderedDict()
_lock = threading.Lock()


def _read(path: str, now: Version, wanted: Range) -> bytes:
    """Return a range; the end of an object is kept, because planning and reading ask for footers more than once."""
    begin, stop = wanted
    if stop <= begin:
        return b""
    with _lock:
        tail = _tails.get((path, now))
    if tail is None and stop == now.size:
        first = max(0, min(begin, now.size - TAIL_BYTES))
        tail = bytes(fetch((path, now), (first, stop)))
        _keep_tail(path, now, tail)
    first = now.size - len(tail or b"")
    if tail is not None and begin >= first:
        return tail[begin - first : stop - first]
    return bytes(fetch((path, now), wanted))


def _keep_tail(path: str, now: Version, tail: bytes) -> None:
    with _lock:
        _tails[path, now] = tail
        while sum(map(len, _tails.values())) > TAILS_BYTES and len(_tails) > 1:
            _tails.popitem(last=False)


def fetch(place: tuple[Any, ...], wanted: Range) -> memoryview:
    """Return a range of an object of a known version.

    Parameters
    ----------
    place : (str, Version, ...)
        Path and version.
    wanted : (int, int)
        First byte, and the one after the last.

    Raises
    ------
    OSError
        When it cannot be had, or another object stands there now.
    """
    path, now, (begin, stop) = place[0], place[1], wanted

    def ranged(store: Any, key: str) -> memoryview:
        options = {"range": (begin, stop), "if_match": now.tag}
        return memoryview(_library().get(store, key, options=options).bytes())

    data: memoryview = _answer(path, ranged)
    if len(data) != stop - begin:
        raise OSError(f"{path}: {len(data):,} bytes came where {stop - begin:,} were asked for")
    return data


def _answer(path: AnyPath, ask: Callable[[Any, str], Any]) -> Any:
    """Ask a store about a path; answers that break off are asked for again, with growing pauses."""
    scheme, bucket, key = _split(path)
    store = open_bucket(scheme, bucket)
    for number in range(TRIES):
        try:
            return ask(store, key)
        except Exception as error:
            told = raised(path, bucket, error)
            if told is None and number + 1 == TRIES:
                told = OSError(errno.EIO, f"the answers of {scheme}://{bucket} keep breaking off", str(path))
            if told is not None:
                raise told from error
            time.sleep(0.05 * 2**number)
    raise AssertionError


def _split(path: AnyPath) -> tuple[str, str, str]:
    scheme, _, rest = str(path).partition("://")
    bucket, _, key = rest.partition("/")
    return scheme, bucket, re.sub("/+", "/", key)


def _version(meta: Any) -> Version:
    return Version(int(meta["size"]), meta["e_tag"] or meta["last_modified"].isoformat())


@functools.cache
def _mirrors() -> Mirrors:
    return Mirrors(fetch)


def _library() -> Any:
    import obstore

    return obstore

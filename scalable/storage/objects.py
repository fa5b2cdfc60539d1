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
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from scalable.storage.files import AnyPath, Range, Version
from scalable.storage.mirror import Mirrors, Put
from scalable.storage.object_access import answer, library, split_address
from scalable.storage.object_writing import create, remove, replacing, upload
from scalable.storage.patterns import is_hidden, matches

__all__ = [
    "absolute", "anything_below", "create", "descriptor", "everything_below", "expect", "expect_no_more",
    "list_files", "local_copy", "marked", "open", "read", "remove", "replacing", "resolved", "upload", "version",
    "versions_below", "would_list",
]  # fmt: skip

TAIL_BYTES = 2**16  # a footer and more: what is read first of every file, and kept
TAILS_BYTES = 2**26
PIECE_BYTES = 2**19  # of an answer, handed on as they come


def absolute(path: AnyPath) -> str:
    """Return the path: it means the same everywhere."""
    return str(path)


def resolved(path: AnyPath) -> str:
    """Return the one spelling of a path."""
    scheme, bucket, key = split_address(path)
    return f"{scheme}://{bucket}/{key}"


def version(path: AnyPath) -> Version:
    """Return size and ETag."""
    return _version(answer(path, lambda store, key: library().head(store, key)))


def version_with_end(path: AnyPath) -> Version:
    """Return size and ETag, with the end of the object, which is kept: by one ranged GET from the end."""

    def asked(store: Any, key: str) -> tuple[Version, bytes]:
        got = library().get(store, key, options={"range": {"suffix": TAIL_BYTES}})
        now, tail = _version(got.meta), bytes(got.bytes())
        if len(tail) != min(TAIL_BYTES, now.size):
            raise OSError(f"{path}: {len(tail):,} bytes came of the last {TAIL_BYTES:,}")
        return now, tail

    now: Version
    try:
        now, tail = answer(path, asked)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.EREMCHG):
            raise
        return version(path)  # of empty objects, and where a store has no ranges from the end
    _keep_tail(str(path), now, tail)
    return now


def list_files(path: AnyPath, suffix: str = "") -> list[str]:
    """Return an object, those below a prefix, or those that match a glob or lie below what does."""
    scheme, bucket, key = split_address(path)
    if set(key) & set("*?["):
        return _matching(path, suffix)
    with_slash = f"{key.rstrip('/')}/" if key else ""
    below = [found for found in _listed(path, with_slash) if not _hidden(found[len(with_slash) :])]
    if below:
        return sorted(f"{scheme}://{bucket}/{found}" for found in below if found.endswith(suffix))
    try:
        version(path)
    except FileNotFoundError:
        _listed(path, with_slash)  # a bucket that is not there is told by its own name
        raise
    return [str(path)]


def _matching(path: AnyPath, suffix: str) -> list[str]:
    scheme, bucket, pattern = split_address(path)
    parts = PurePosixPath(pattern).parts
    plain = next((k for k, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    prefix = "".join(f"{part}/" for part in parts[:plain])
    listed, exact = _listed(path, prefix), f"{pattern.rstrip('/')}/"
    below = [key for key in listed if key.startswith(exact) and not _hidden(key[len(exact) :])]
    if below:  # a folder whose name is like a pattern
        return sorted(f"{scheme}://{bucket}/{key}" for key in below if key.endswith(suffix))
    found = []
    for key in listed:
        names = PurePosixPath(key).parts
        whole = matches(names, parts)
        if not _hidden(key[len(prefix) :]) and (
            whole or (key.endswith(suffix) and any(matches(names[:k], parts) for k in range(1, len(names))))
        ):
            found.append(f"{scheme}://{bucket}/{key}")
    if found:
        return sorted(found)
    with suppress(OSError):  # an object whose name is like a pattern
        version(path)
        return [str(path)]
    raise FileNotFoundError(str(path))


def _hidden(below: str) -> bool:
    return is_hidden(below.split("/")) or below.endswith("/")


def _listed(path: AnyPath, prefix: str) -> dict[str, Any]:
    """Return what is known of all objects whose keys begin so, by key."""

    def listed(store: Any, _: str) -> dict[str, Any]:
        pages = library().list(store, prefix or None)
        return {meta["path"]: meta for page in pages for meta in page if meta["path"].startswith(prefix)}

    return cast("dict[str, Any]", answer(path, listed))


def marked(path: AnyPath, files: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return prefixes of some names above objects, or right below a prefix itself."""
    scheme, bucket, key = split_address(path)
    above = key.rstrip("/")
    if not files:
        places = {f"{above}/{name}".lstrip("/") for name in names}
        return [f"{scheme}://{bucket}/{mark}" for mark in sorted(places) if _first_below(path, f"{mark}/")]
    parts = PurePosixPath(above).parts
    plain = next((k for k, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    listed = _listed(path, "/".join(parts[:plain]))
    found = {
        f"{one.partition(f'/{name}/')[0]}/{name}" for one in listed for name in names if f"/{name}/" in one
    }
    upper = {"/".join([*parts[:k], names[0]]) for k in range(1, plain)}  # one name: each is a request
    found |= {mark for mark in upper - found if _first_below(path, f"{mark}/")}
    inside = [split_address(file)[2] for file in files]
    return [
        f"{scheme}://{bucket}/{mark}"
        for mark in sorted(found)
        if any(key.startswith(f"{mark.rpartition('/')[0]}/") for key in inside)
    ]


def _first_below(path: AnyPath, prefix: str) -> bool:
    def asked(store: Any, _: str) -> bool:
        return any(page for page in library().list(store, prefix or None, chunk_size=1))

    return bool(answer(path, asked))


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


def expect(path: AnyPath, of: Version, part: Sequence[int], ranges: Sequence[Range]) -> bool:
    """Begin to fetch ranges that `local_copy` will be asked for; never known to be at hand."""
    _mirrors().expect((str(path), of, *part), ranges)
    return False


def expect_no_more(paths: Collection[str]) -> None:
    """Forget what is expected of some objects and was not begun to be fetched."""
    _mirrors().expect_no_more(paths)


def versions_below(path: AnyPath) -> dict[str, Version]:
    """Return all objects below a prefix, hidden ones too, with their versions."""
    return {name: _version(meta) for name, meta in _below(path).items()}


def everything_below(path: AnyPath, older_than: float = 0.0) -> list[str]:
    """Return all objects below a prefix, hidden ones too, that are at least so many seconds old; sorted."""
    latest = time.time() - older_than if older_than else float("inf")
    return sorted(name for name, meta in _below(path).items() if meta["last_modified"].timestamp() <= latest)


def _below(path: AnyPath) -> dict[str, Any]:
    scheme, bucket, key = split_address(path)
    found = _listed(path, f"{key.rstrip('/')}/" if key else "")
    return {f"{scheme}://{bucket}/{each}": meta for each, meta in found.items()}


def anything_below(path: AnyPath) -> bool:
    """Return whether there is an object below a prefix."""
    key = split_address(path)[2].rstrip("/")
    return _first_below(path, f"{key}/" if key else "")


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
        tail = _fetched(path, now, (first, stop))
        _keep_tail(path, now, tail)
    first = now.size - len(tail or b"")
    if tail is not None and begin >= first:
        return tail[begin - first : stop - first]
    return _fetched(path, now, wanted)


def _keep_tail(path: str, now: Version, tail: bytes) -> None:
    with _lock:
        _tails[path, now] = tail
        while sum(map(len, _tails.values())) > TAILS_BYTES and len(_tails) > 1:
            _tails.popitem(last=False)


def fetch(place: tuple[Any, ...], wanted: Range, put: Put) -> None:
    """Hand over a range of an object of a known version; where an answer breaks off, the rest is asked for.

    Parameters
    ----------
    place : (str, Version, ...)
        Path and version.
    wanted : (int, int)
        First byte, and the one after the last.
    put : callable
        Takes a piece's first byte and its bytes, one piece after another.

    Raises
    ------
    OSError
        When it cannot be had, or another object stands there now.
    """
    path, now, (at, stop) = place[0], place[1], wanted

    def ranged(store: Any, key: str) -> None:
        nonlocal at
        options = {"range": (at, stop), "if_match": now.tag}
        for piece in library().get(store, key, options=options).stream(PIECE_BYTES):
            data = memoryview(piece)
            put(at, data[: stop - at])
            at += len(data)
        if at != stop:
            raise OSError(f"{path}: {at - wanted[0]:,} bytes came where {stop - wanted[0]:,} were asked for")

    answer(path, ranged)


def _fetched(path: str, now: Version, wanted: Range) -> bytes:
    parts: list[bytes] = []
    fetch((path, now), wanted, lambda _, data: parts.append(bytes(data)))
    return b"".join(parts)


def _version(meta: Any) -> Version:
    return Version(int(meta["size"]), meta["e_tag"] or meta["last_modified"].isoformat())


def mirrored_bytes() -> int:
    """Return the memory that ranges of objects take, which is not in the process's resident memory."""
    return _mirrors().n_bytes(kept=False)


def kept_bytes() -> int:
    """Return the bytes of ranges that lie in the page cache for whoever comes again."""
    return _mirrors().n_bytes(kept=True)


def forget() -> None:
    """Give up all ranges that were fetched and nobody uses."""
    _mirrors().forget()


@functools.cache
def _mirrors() -> Mirrors:
    return Mirrors(fetch)

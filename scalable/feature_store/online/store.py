"""The online store: an LMDB environment of one table of histories a view, and what it was made of.

A write is one transaction: a kill at any moment leaves what was there. Many processes may read while one writes.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scalable.errors import DataError, UsageError
from scalable.feature_store.bind import BoundView, bound_from_json
from scalable.feature_store.definitions import Definitions
from scalable.feature_store.online.lookup import Lookup, whole_time
from scalable.feature_store.online.page_check import DATA, REMEDY, check_head, check_pages
from scalable.feature_store.read_definitions import MOST_VIEWS, read_definitions
from scalable.storage.documents import understood
from scalable.storage.places import local_place

FORMAT = 2
MAP_BYTES = 2**42  # of addresses, not of disk
MOST_READERS = 1024
LOCKS, LOCK_BYTES = "lock.mdb", 64 * MOST_READERS + 128  # as long as LMDB makes it
_META, _TEXTS = b"meta", b"texts"


def lmdb_module() -> Any:
    """Return the package that stores; raise UsageError where it is not installed."""
    try:
        import lmdb
    except ImportError:
        raise UsageError("the online store needs lmdb: pip install 'scalable-training[features]'") from None
    return lmdb


@contextmanager
def told(place: str | os.PathLike[str], doing: str) -> Iterator[None]:
    """Raise what LMDB says as one line that names the store and the remedy."""
    lmdb = lmdb_module()
    try:
        yield
    except (lmdb.MapFullError, lmdb.DiskError) as error:
        raise DataError(
            f"{place}: cannot be {doing} ({error}): the disk is full; what was there stays, give it room"
        ) from None
    except (lmdb.Error, OSError) as error:
        full = "No space" in str(error) or "File too large" in str(error)
        remedy = (
            "what was there stays, give it room"
            if full
            else "check the folder, or materialize it anew elsewhere"
        )
        raise DataError(f"{place}: cannot be {doing} ({error}); {remedy}") from None


_environments: dict[
    str, list[Any]
] = {}  # environment, whether it may be written, how many use it: LMDB allows one a process
_lock = threading.Lock()


def open_environment(path: Path, write: bool) -> Any:
    """Return the LMDB environment of a folder, the same for all who have it open.

    Raises
    ------
    UsageError
        It is open for reading and `write` is asked for.
    DataError
        Its file is damaged.
    """
    place = str(path.resolve())
    with _lock:
        if place not in _environments:
            page_size = check_head(path)
            _allocate_locks(path)
            environment = lmdb_module().open(
                place, map_size=MAP_BYTES, max_dbs=MOST_VIEWS + 2, readonly=not write, max_readers=MOST_READERS,
                readahead=False, meminit=False,
            )  # fmt: skip
            try:
                if page_size:
                    check_pages(path, environment, page_size, MOST_VIEWS + 2)
            except BaseException:
                environment.close()
                raise
            _environments[place] = [environment, write, 0]
        held = _environments[place]
        if write and not held[1]:
            raise UsageError(
                f"{path}: is open for reading in this process; close that, or open it with create=True"
            )
        held[0].reader_check()  # who was killed while reading keeps old pages, and its place of a few
        held[2] += 1
        return held[0]


def _allocate_locks(path: Path) -> None:
    """Have room for the places of readers: LMDB maps a file of holes, and a full disk would end the process at one.

    Not while the store is open here: who closes a file gives up all its locks.
    """
    with suppress(PermissionError):  # LMDB says what it needs
        descriptor = os.open(path / LOCKS, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, os.lseek(descriptor, 0, os.SEEK_END) or LOCK_BYTES)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
        finally:
            os.close(descriptor)


def close_environment(environment: Any) -> None:
    """Close an environment when nobody else uses it."""
    with _lock:
        for place, held in list(_environments.items()):
            if held[0] is environment:
                held[2] -= 1
                if held[2] <= 0:
                    environment.close()
                    del _environments[place]


class OnlineStore:
    """Features by entity, as they are known at a time.

    Parameters
    ----------
    definitions : Definitions or path
    path : path
        Directory of the store.
    create : bool
        Make an empty one where there is none.

    Raises
    ------
    DataError
        There is none, it cannot be read, or it holds features of other definitions.

    Examples
    --------
    >>> store = OnlineStore("features.toml", "store/")  # doctest: +SKIP
    >>> store.lookup({"customer": 17})  # doctest: +SKIP
    """

    def __init__(
        self,
        definitions: Definitions | str | os.PathLike[str],
        path: str | os.PathLike[str],
        *,
        create: bool = False,
    ) -> None:
        self.definitions = (
            definitions if isinstance(definitions, Definitions) else read_definitions(definitions)
        )
        self.path = local_place(path, "a feature store")
        if not create and not (self.path / DATA).is_file():
            raise DataError(f"{path}: is no online store; make one with `scalable features materialize`")
        with told(path, "opened"):
            self.path.mkdir(parents=True, exist_ok=True)
            self.env: Any = open_environment(self.path, create)
            self.error: Any = lmdb_module().Error  # what reading raises
        try:
            self._open(create)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<OnlineStore {self.path}: views {', '.join(self.definitions.views)}>"

    def _open(self, create: bool) -> None:
        with told(self.path, "read"):
            self._meta = self.env.open_db(_META, create=create)
            self._texts = self.env.open_db(_TEXTS, create=create)
            self.tables = {
                name: self.env.open_db(b"view " + name.encode(), create=create)
                for name in self.definitions.views
            }
        meaning = self.definitions.meaning()
        found = self.read_meta()
        if found is None and create:
            return
        if found is None:
            raise DataError(f"{self.path}: holds nothing yet; fill it with `scalable features materialize`")
        if found.get("format") != FORMAT:
            raise DataError(f"{self.path}: was made by another version of this program; {REMEDY}")
        with understood(DataError, self.path, REMEDY):
            held, views = dict(found["meaning"]), dict(found["views"])
        if held != meaning:
            changed = sorted(
                name for name in meaning.keys() | held.keys() if meaning.get(name) != held.get(name)
            )
            raise DataError(
                f"{self.path}: holds features of other definitions ({found.get('fingerprint')}, "
                f"{self.definitions.place} is {self.definitions.fingerprint()}; they differ in view "
                f"{', '.join(changed)}); {REMEDY}"
            )
        with understood(DataError, self.path, REMEDY):
            for name, view in views.items():
                bound_from_json(self.definitions.views[name], view)
                files = view["files"]
                if type(files) is not list or any(type(path) is not str for path, *_ in files):
                    raise TypeError(f"files of view {name!r}: {files!r:.60}")

    def read_meta(self) -> dict[str, Any] | None:
        """Return what the store says of itself; None for a new one."""
        with told(self.path, "read"), self.env.begin(db=self._meta) as transaction:
            text = transaction.get(b"store")
        if text is None:
            return None
        with understood(DataError, self.path, REMEDY):
            return dict(json.loads(text))

    def write_meta(self, transaction: Any, bound: BoundView, taken: list[Any] | None) -> None:
        """Add to what the store says of itself: the types of a view, and the files it was made of."""
        text = transaction.get(b"store", db=self._meta)
        empty: dict[str, Any] = {"format": FORMAT, "meaning": self.definitions.meaning(), "views": {}}
        found = (
            json.loads(text) if text is not None else {**empty, "fingerprint": self.definitions.fingerprint()}
        )
        view = found["views"].setdefault(bound.view.name, {"files": []})
        view.update(bound.to_json())
        view["files"] += taken or []
        transaction.put(b"store", json.dumps(found).encode(), db=self._meta)

    def bound(self, name: str) -> BoundView | None:
        """Return a view with the types of its events; None before there were any."""
        found = ((self.read_meta() or {}).get("views") or {}).get(name)
        return None if found is None else bound_from_json(self.definitions.views[name], found)

    def put_texts(self, transaction: Any, pairs: list[tuple[int, str]]) -> None:
        """Remember texts by hash.

        Raises
        ------
        DataError
            Two different texts have one hash.
        """
        for code, text in pairs:
            key, value = code.to_bytes(8, "big", signed=True), text.encode()
            before = transaction.get(key, db=self._texts)
            if before is None:
                transaction.put(key, value, db=self._texts)
            elif bytes(before) != value:
                raise DataError(
                    f"two texts have one hash, {text!r} is one of them; code them as numbers in the source"
                )

    def get_text(self, code: int) -> str:
        """Return the text of a hash.

        Raises
        ------
        DataError
            The store lacks it.
        """
        with told(self.path, "read"), self.env.begin(db=self._texts) as transaction:
            found = transaction.get(code.to_bytes(8, "big", signed=True))
        if found is None:
            raise DataError(f"{self.path}: lacks a text it refers to; materialize it anew elsewhere")
        with understood(DataError, self.path, REMEDY):
            return str(bytes(found).decode())

    def lookups(self) -> list[Lookup]:
        """Return what looks up each view."""
        return [Lookup(self, name) for name in self.definitions.views]

    def lookup(self, entities: dict[str, Any], at: int | None = None) -> dict[str, Any]:
        """Return the features of all views.

        Parameters
        ----------
        entities : dict
            Value of each entity column.
        at : int, optional
            Nanoseconds since 1970; now by default.

        Raises
        ------
        DataError
            An entity is missing or of another type, the store is damaged, or `at` is before what it keeps.
        """
        if not hasattr(self, "_lookups"):
            self._lookups = self.lookups()
        when = time.time_ns() if at is None else whole_time(at)
        found: dict[str, Any] = {}
        for lookup in self._lookups:
            if lookup.entity not in entities:
                raise DataError(f"{self.path}: no value of {lookup.entity!r} was given")
            found.update(lookup.features(entities[lookup.entity], when))
        return found

    def close(self) -> None:
        """Give the files back, unless another store of this process has them open."""
        environment, self.env = self.env, None
        if environment is not None:
            close_environment(environment)

    def __enter__(self) -> OnlineStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

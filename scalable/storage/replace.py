"""The one atomic write: a kill at any moment, or several writers at once, leave what was there or one whole new thing.

Everything is written beside its place under a hidden name of its own and renamed when complete. Permissions are
those that the umask leaves, as of any new file. A link stays a link: what it leads to is replaced.
"""

from __future__ import annotations

import ctypes
import errno
import io
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from scalable.storage.files import is_local, object_store_of, store_of
from scalable.storage.lock import SharedDirectory, remove_unused

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
SCRATCH = ".tmp"
_SCRATCH_NAME = re.compile(rf"\.(.*\.)?([0-9a-f]{{12}}|[0-9a-f]{{16}})\{SCRATCH}", re.DOTALL)
_TRIES = 100  # of placing a directory, while others place and remove theirs


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of `path` when the block ends, and vanishes when it raises.

    Parameters
    ----------
    path : path
        What to write, in a directory that is there.
    durable : bool
        Wait for the disk, so that a power cut leaves the old or the new. A cache that checks what it reads
        need not.

    Raises
    ------
    OSError
        When it cannot be written; what was there stays.
    """
    if not is_local(path):
        with store_of(path).replacing(path) as file:
            yield file
        return
    target = _followed(Path(path))
    scratch = scratch_beside(target)
    try:
        with open(scratch, "xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        place_file(scratch, target, durable=durable)
    except OSError as error:  # of a write, the system does not say where
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            error.filename = os.fspath(path)
        raise
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def place_file(
    finished: str | os.PathLike[str], target: str | os.PathLike[str], *, durable: bool = True
) -> None:
    """Give a finished file, already on the disk where `durable`, its name; what had that name is gone."""
    os.replace(finished, target)
    if durable:
        sync(Path(target).parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file or none; see `replacing`."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole UTF-8 file or none; see `replacing`."""
    write_bytes(path, text.encode())


@contextmanager
def replacing_directory(path: str | os.PathLike[str], ours: Collection[str]) -> Iterator[Path]:
    """Yield an empty directory that takes the place of `path`, with what it holds then, when the block ends.

    Missing directories above it are made. In an object store it is filled object by object, in the order of their
    making: whoever writes a seal last lets readers see what is not whole yet.

    Parameters
    ----------
    path : path
    ours : collection of str
        Names that a directory which is there already may hold; they are lost.

    Raises
    ------
    OSError
        When it cannot be written, or something else is in it; what was there stays.
    """
    if (other := foreign_name(path, ours)) is not None:
        raise FileExistsError(errno.EEXIST, f"{other!r} in it would be lost", os.fspath(path))
    if not is_local(path):
        with tempfile.TemporaryDirectory() as local:
            yield Path(local)
            _upload(Path(local), path)
        return
    target = _followed(Path(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch, held = scratch_beside(target), None
    with suppress(OSError):  # of a file system without locks
        held = SharedDirectory(scratch)
    scratch.mkdir(exist_ok=True)
    try:
        yield scratch
        for place in [*scratch.rglob("*"), scratch]:
            sync(place)
        _place_directory(scratch, target)
        sync(target.parent)
        _remove_left_beside(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # or what was in its place before
        if held is not None:
            held.release()


def foreign_name(directory: str | os.PathLike[str], ours: Collection[str]) -> str | None:
    """Return what a directory that is to be replaced or removed holds besides `ours`; None for nothing."""
    if is_local(directory):
        names = []
        with suppress(FileNotFoundError, NotADirectoryError):  # another writer may have set it aside just now
            names = os.listdir(directory)
    else:
        address = os.fspath(directory).rstrip("/")
        names = [
            name[len(address) + 1 :].partition("/")[0]
            for name in object_store_of(address).everything_below(address)
        ]
    return next(
        (name for name in sorted(names) if name not in ours and not _SCRATCH_NAME.fullmatch(name)), None
    )


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an OSError where `path` could not be written: to be asked before hours of work, which would be lost after.

    In an object store, which tells only who tries, an empty hidden object beside it is written and removed.
    """
    if is_local(path):
        above = next(each for each in Path(os.path.abspath(path)).parents if each.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            fixed = os.statvfs(above).f_flag & os.ST_RDONLY
            number = errno.ENOTDIR if not above.is_dir() else errno.EROFS if fixed else errno.EACCES
            raise OSError(number, os.strerror(number), str(above))
        return
    folder, _, name = os.fspath(path).rstrip("/").rpartition("/")
    beside, store = f"{folder}/{_scratch_name(name)}", object_store_of(path)
    store.upload(beside, io.BytesIO())
    with suppress(OSError):  # of who may write and not remove
        store.remove([beside])


@contextmanager
def explained(kind: type[Exception], path: str | os.PathLike[str], remedy: str) -> Iterator[None]:
    """Raise what the system says against writing `path` as an error of `kind` that names the remedy."""
    try:
        yield
    except OSError as error:
        raise kind(f"{path}: cannot be written ({error.strerror or error}); {remedy}") from error


def remove_scratch(directory: str | os.PathLike[str], older_than: float = 0.0) -> None:
    """Remove what killed writers left in a directory, where it is `older_than` so many seconds; by its very names."""
    if not is_local(directory):  # nothing there has a name before it is whole
        return
    for left in Path(directory).glob(f".*{SCRATCH}"):
        with suppress(OSError):
            if _SCRATCH_NAME.fullmatch(left.name) and time.time() - left.stat().st_mtime >= older_than:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _remove_left_beside(target: Path) -> None:
    """Remove the directories of killed writers of `target`: those that no living process holds."""
    its_own = re.compile(re.escape(f".{target.name[:200]}.") + rf"[0-9a-f]{{12}}\{SCRATCH}")
    with suppress(OSError):
        for name in filter(its_own.fullmatch, os.listdir(target.parent)):
            remove_unused(target.parent / name)


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a file's bytes, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _upload(local: Path, path: str | os.PathLike[str]) -> None:
    """Write the files of a local directory to a store, and remove what else was there."""
    address = os.fspath(path).rstrip("/")
    store, made = object_store_of(address), sorted(local.rglob("*"), key=lambda file: file.stat().st_ctime_ns)
    new = {f"{address}/{file.relative_to(local).as_posix()}": file for file in made if file.is_file()}
    for name, file in new.items():
        with file.open("rb") as source:
            store.upload(name, source)
    store.remove([name for name in store.everything_below(address) if name not in new])


def scratch_beside(target: Path) -> Path:
    """Return a hidden name beside a path, for what is not whole yet, or no longer."""
    return target.with_name(_scratch_name(target.name))


def _followed(target: Path) -> Path:
    """Return what a link leads to, there or not; any other path as it is."""
    return target.resolve() if target.is_symlink() else target


def _scratch_name(name: str) -> str:
    return f".{name[:200]}.{secrets.token_hex(6)}{SCRATCH}"


def _place_directory(finished: Path, target: Path) -> None:
    """Rename a directory to `target`; one that is there already gets the name of `finished` in exchange."""
    for _ in range(_TRIES):
        try:
            finished.rename(target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if _exchange(finished, target):
            return
        # A file system without exchange: a kill between these two leaves the old one beside, under a hidden name.
        # Where another writer was faster, there is nothing to set aside, or the place is taken again: once more.
        with suppress(FileNotFoundError):
            target.rename(retired := scratch_beside(target))
            try:
                finished.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    retired.rename(target)
                    raise
            else:
                return
            finally:
                shutil.rmtree(retired, ignore_errors=True)
    raise OSError(errno.EBUSY, "others keep writing it", str(target))


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (Linux ``renameat2``); False where that is not possible."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)

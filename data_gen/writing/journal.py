"""What a job has finished so far, on disk, so that a killed run can be taken up again.

A journal is a hidden directory beside the files: the request, and for each finished file its size,
digest and truth. A file counts as finished when its entry is there and speaks of it, it has its final name,
and the digests of file and truth are right; everything else is written again.

In an object store a file is written here, in a file without a name, then put there, whole or not at all; its entry
follows and holds its ETag, which stands for its digest. Nobody is locked out: another process that was asked for the
same writes the same bytes.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.errors import OutputError, RequestError
from data_gen.manifest import NAME, FileEntry, read, versions
from data_gen.storage import read_truth, write_json, write_truth
from data_gen.writing.request import Part, Request
from scalable.storage.documents import SHAPELESS, typed
from scalable.storage.files import object_store_of, sha256_of, store_of
from scalable.storage.places import is_address, remove_tree
from scalable.storage.replace import place_file, remove_scratch

_OURS = re.compile(
    r"part-\d{6,}\.parquet|manifest(-\d+-of-\d+)?\.json|truth-\d+-of-\d+\.arrays|describe\.html|"
    r"\.generation(-\d+-of-\d+)?|\.(manifest|truth|describe).*\.tmp"
)


def suffix(shards_of: tuple[int, int] | None) -> str:
    """Return ``"-i-of-n"`` for one machine's share, or an empty string."""
    return "" if shards_of is None else f"-{shards_of[0]}-of-{shards_of[1]}"


class Journal:
    """The state of one job in its output directory.

    Parameters
    ----------
    out : Path
        Output directory, created when absent, or prefix of an object store.
    request : Request
    shards_of : tuple of int or None
    """

    def __init__(self, out: Path, request: Request, shards_of: tuple[int, int] | None) -> None:
        self.out, self.request, self.shards_of = out, request, shards_of
        self.directory = out / f".generation{suffix(shards_of)}"
        self._lock: int | None = None

    @property
    def manifest_name(self) -> str:
        """File name of the manifest this job ends with."""
        return NAME.replace(".json", f"{suffix(self.shards_of)}.json")

    def open(self, resume: bool, overwrite: bool) -> bool:
        """Prepare the directory; return True when the dataset is complete already.

        Raises
        ------
        OutputError
            When the directory cannot be written, or another process is writing it.
        RequestError
            When the directory holds something else, also parts that no journal or manifest speaks of, or a dataset and
            neither `resume` nor `overwrite` was asked for; when `resume` meets a dataset of another request or other
            library versions.
        """
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            found = sorted(path.name for path in self.out.iterdir())
        except OSError as error:
            raise OutputError(
                f"{self.out} cannot be used ({error.strerror}); choose another --out"
            ) from error
        foreign = [name for name in found if not _OURS.fullmatch(name)]
        if not any(name.startswith((".generation", "manifest")) for name in found):
            foreign += [name for name in found if name.startswith("part-")]
        if foreign:
            raise RequestError(f"{self.out} holds something else ({foreign[0]!r}); choose an empty directory")
        mine = {part.name for part in self.request.parts(self.shards_of)}
        mine |= {NAME, self.manifest_name, self.directory.name}
        existing = [name for name in found if name in mine or (self.shards_of is None and name != NAME)]
        if existing and not (resume or overwrite):
            raise RequestError(
                f"{self.out} holds a dataset already; pass --resume to finish it or --overwrite to replace it"
            )
        anew = existing if overwrite and not resume else []
        if not anew and self._complete():
            return True
        self._start(anew)
        return False

    def _remove(self, names: list[str]) -> None:
        # The manifest goes first: what it promises must never outlive it. Journals go last: they say whose the rest is.
        for name in sorted(names, key=lambda n: (n.startswith(".generation"), not n.startswith("manifest"))):
            path = self.out / name
            if path == self.directory and not is_address(path):  # whose lock is held
                for each in [each for each in path.iterdir() if each.name != "lock"]:
                    each.unlink()
            else:
                _remove_directory(path) if path.is_dir() else path.unlink()

    def _complete(self) -> bool:
        if not (self.out / self.manifest_name).exists():
            return False
        manifest = read(self.out, self.manifest_name)
        self._compare(manifest.request.to_json(), manifest.versions)
        for entry in manifest.files:
            path = self.out / entry.path
            if not path.exists() or store_of(path).version(path).size != entry.bytes:
                raise OutputError(
                    f"{path} is missing or has another size than its manifest says; use --overwrite"
                )
        return True

    def _start(self, anew: list[str]) -> None:
        """Lock the directory, remove what `anew` names, and begin."""
        note = self.directory / "request.json"
        others = [name for name in anew if name.startswith(".generation") and name != self.directory.name]
        try:
            self.directory.mkdir(exist_ok=True)
            if not is_address(self.out):
                self._lock = self._locked(self.directory)
                for name in others:  # shares of it
                    os.close(self._locked(self.out / name))
            self._remove(anew)
            remove_scratch(self.out)
            self._begin(note)
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError) or isinstance(error, OutputError):
                raise
            raise OutputError(
                f"{self.out} cannot be written ({error.strerror}); choose another --out"
            ) from error

    def _locked(self, directory: Path) -> int:
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise OutputError(f"{self.out} is being written by another process; wait for it") from error
        return descriptor

    def _begin(self, note: Path) -> None:
        begun = {"request": self.request.to_json(), "versions": versions()}
        if is_address(note):
            with suppress(FileExistsError):
                object_store_of(note).create(note, json.dumps(begun).encode())
        elif not note.exists():
            write_json(note, begun)
        self._compare(*_begun(note))

    def _compare(self, request: dict[str, Any], made_by: dict[str, str]) -> None:
        mine = self.request.to_json()
        for key, value in mine.items():
            if request.get(key) != value:
                raise RequestError(
                    f"{self.out} was begun with {key}={request.get(key)!r}, not {value!r}; resume with the same "
                    f"options or pass --overwrite"
                )
        changed = [f"{k} {made_by.get(k)} -> {v}" for k, v in versions().items() if made_by.get(k) != v]
        if changed:
            raise RequestError(
                f"{self.out} was begun with other versions ({', '.join(changed)}), so its bytes cannot be "
                f"continued; use the same versions or pass --overwrite"
            )

    @contextmanager
    def temporary(self, part: Part) -> Iterator[Path]:
        """Yield where a file is written before it is finished, of which nothing stays but what `record` took."""
        if is_address(self.out):
            with tempfile.TemporaryFile() as file:  # gone however the process ends
                yield Path(f"/proc/self/fd/{file.fileno()}")
            return
        path = self.directory / part.name
        try:
            yield path
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def record(
        self, part: Part, path: Path, size: int, sha256: str, truth: dict[str, np.ndarray[Any, Any]]
    ) -> None:
        """Note a finished file, which lies at `path`, and give it its final name."""
        write_truth(self.directory / f"{part.name}.arrays", truth)
        final, tag = self.out / part.name, {}
        if is_address(self.out):
            with path.open("rb") as file:
                object_store_of(final).upload(final, file)
            tag = {"etag": store_of(final).version(final).tag}
        entry = {
            "path": part.name,
            "first_row": part.start,
            "rows": part.rows,
            "bytes": size,
            "sha256": sha256,
            "truth_sha256": sha256_of(self.directory / f"{part.name}.arrays"),
        }
        write_json(self.directory / f"{part.name}.json", entry | tag)
        if not tag:
            place_file(path, final, durable=False)  # the writer syncs them all at the end

    def finished(self, part: Part) -> bool:
        """Return whether a file was finished by this or an earlier run, by its digest."""
        path = self.out / part.name
        try:
            entry, truth_sha256, etag = self._note(part)
            now = store_of(path).version(path)
            same = now.tag == etag if is_address(path) else sha256_of(path) == entry.sha256
            return (
                now.size == entry.bytes
                and same
                and sha256_of(self.directory / f"{part.name}.arrays") == truth_sha256
            )
        except (OSError, *SHAPELESS):
            return False

    def _note(self, part: Part) -> tuple[FileEntry, str, str]:
        """Return a file's entry, the digest of its truth, and its ETag if any, from a note that speaks of this file."""
        raw = json.loads((self.directory / f"{part.name}.json").read_text())
        truth_sha256, etag = str(raw.pop("truth_sha256")), str(raw.pop("etag", ""))
        entry = typed(FileEntry, raw)
        if (entry.path, entry.first_row, entry.rows) != (part.name, part.start, part.rows):
            raise ValueError(f"the note of {part.name} speaks of other rows")
        return entry, truth_sha256, etag

    def entry(self, part: Part) -> tuple[FileEntry, dict[str, np.ndarray[Any, Any]]]:
        """Return the entry and the truth of a finished file."""
        return self._note(part)[0], read_truth(self.directory / f"{part.name}.arrays")

    def close(self) -> None:
        """Let another process write here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def discard(self) -> None:
        """Remove the journal of a finished job."""
        _remove_directory(self.directory)
        self.close()


def _remove_directory(path: Path) -> None:
    remove_tree(path) if is_address(path) else shutil.rmtree(path)


def _begun(note: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the request and the versions a job was begun with."""
    try:
        begun = json.loads(note.read_text())
        request, made_by = dict(begun["request"]), dict(begun["versions"])
    except SHAPELESS as error:
        raise OutputError(
            f"{note} is damaged ({error!r}); pass --overwrite to write the dataset again"
        ) from error
    return request, made_by

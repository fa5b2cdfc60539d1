"""A results document that grows line by line, so that a long comparison survives a kill.

The first line is the document without its sections; each further line is one row of one section,
flushed to disk before the next piece of work begins. A line cut short by a kill is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from scalable.errors import DataError, UsageError
from scalable.report.document import REQUIRED, new_results, plain
from scalable.storage.documents import SHAPELESS

SAME = ("kind", "seed", "versions", "git_commit")  # what a resumed run must share with its beginning


class Journal:
    """Rows of sections, appended durably.

    Parameters
    ----------
    path : path
        File of JSON lines, by convention ``results.jsonl``.
    kind, seed, command
        As for :func:`scalable.report.document.new_results`.
    resume : bool
        Keep the rows of an interrupted run. Without it an existing file is replaced.
    may_differ : collection of str
        Names in `SAME` that a resumed run need not share with its beginning.

    Raises
    ------
    DataError
        When the file cannot be read or written, or is not a journal.
    UsageError
        When `resume` is asked of a journal begun on another machine, with other versions, another
        commit, kind or seed: its rows would not compare with those to come.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        kind: str,
        seed: int | None = None,
        command: str | None = None,
        resume: bool = False,
        may_differ: Collection[str] = (),
    ) -> None:
        self.path = Path(path)
        self._header = new_results(kind, {}, seed, command)
        self._rows: list[tuple[str, dict[str, Any]]] = []
        if resume and self.path.exists():
            header, self._rows, length = _read(self.path)
            self._check(header, may_differ)
            self._header = header
            os.truncate(self.path, length)
        else:
            self._write("w", {"journal": 1, **self._header})

    def _check(self, header: dict[str, Any], may_differ: Collection[str]) -> None:
        """Refuse to continue what was begun elsewhere or otherwise."""
        differing = [key for key in SAME if key not in may_differ and header.get(key) != self._header[key]]
        differing += [
            key for key in ("cpu", "cores") if header["machine"].get(key) != self._header["machine"][key]
        ]
        if differing:
            raise UsageError(
                f"{self.path}: was begun with another {', '.join(differing)}, so its rows would not compare "
                "with new ones; start over without --resume or into another directory"
            )

    def _write(self, mode: str, line: Mapping[str, Any]) -> None:
        text = json.dumps(plain(line), allow_nan=False, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, mode, encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be written ({error.strerror}); free space or choose another place"
            ) from error

    def append(self, section: str, row: Mapping[str, Any]) -> None:
        """Add a row to a section and wait until it is on disk."""
        self._write("a", {"section": section, "row": row})
        self._rows.append((section, plain(row)))

    def rows(self, section: str) -> list[dict[str, Any]]:
        """Return the rows of a section so far, those of an interrupted run included."""
        return [row for name, row in self._rows if name == section]

    def document(self) -> dict[str, Any]:
        """Return the results document so far."""
        return _document(self._header, self._rows)


def refuse_others(out: Path, *names: str) -> None:
    """Raise a UsageError where a folder holds something, and no journal of these names: it would be lost."""
    if out.is_dir() and any(out.iterdir()):
        for name in names:
            with suppress(DataError):
                read_journal(out / name)
                return
        raise UsageError(f"{out}: holds something else than an earlier run; choose another --out")


def read_journal(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the results document of a journal, finished or not; raises `DataError` if it is none."""
    header, rows, _ = _read(Path(path))
    return _document(header, rows)


def _document(header: dict[str, Any], rows: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    sections: dict[str, list[dict[str, Any]]] = {}
    for section, row in rows:
        sections.setdefault(section, []).append(row)
    return {**header, "sections": sections}


def _read(path: Path) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]], int]:
    """Return header, rows, and the length in bytes of the whole lines."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give the journal of a run") from error
    whole = content[: content.rfind(b"\n") + 1]
    rows: list[tuple[str, dict[str, Any]]] = []
    header: dict[str, Any] = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            entry = json.loads(line)
            if number == 1:
                header = {key: value for key, value in entry.items() if key != "journal"}
                shaped = all(isinstance(header[key], REQUIRED[key]) for key in REQUIRED if key != "sections")
                known = entry["journal"] == 1 and shaped
            else:
                rows.append((str(entry["section"]), dict(entry["row"])))
                known = True
        except SHAPELESS as error:
            raise DataError(
                f"{path}: line {number} is damaged ({error}); start the run over without --resume"
            ) from error
        if not known:
            raise DataError(f"{path}: line 1 is not the beginning of a journal this version writes")
    if not header:
        raise DataError(f"{path}: has no whole line; start the run over without --resume")
    return header, rows, len(whole)

"""The checkpoint of a search: every trial that was measured, so that a resumed search measures none twice."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from scalable.data.fingerprint import Fingerprint
from scalable.errors import UsageError
from scalable.storage.documents import SHAPELESS, typed, understood
from scalable.storage.places import place
from scalable.storage.replace import write_text
from scalable.tuning.trials import Measured

KIND = "scalable search 1"


def refuse_others(path: Path) -> None:
    """Raise a UsageError where something else than a checkpoint of a search would be written over and removed."""
    found: Any = None
    with suppress(*SHAPELESS, OSError):
        found = json.loads(path.read_text(encoding="utf-8"))["kind"]
    if path.exists() and found != KIND:
        raise UsageError(f"{path}: is no checkpoint of a search; choose another --checkpoint")


def refuse_forgetting(path: str | os.PathLike[str] | None, *, resume: bool) -> None:
    """Raise a UsageError where a checkpoint would be written over that nobody wants to go on from."""
    if path is not None and not resume and place(path).exists():
        raise UsageError(
            f"{place(path)}: is there already; give resume=True to go on from it, or remove it to start over"
        )


class Journal:
    """What was measured, by rung and trial.

    Parameters
    ----------
    path : path or None
        The file; None keeps nothing.
    fingerprint : Fingerprint
        What results depend on: data, space, seed, learner.
    resume : bool
        Whether to go on from what is there.

    Raises
    ------
    UsageError
        When what is there is damaged, or of another search.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, fingerprint: Fingerprint, *, resume: bool
    ) -> None:
        self._path, self._fingerprint = None if path is None else place(path), fingerprint
        self.measured: dict[tuple[int, int], Measured] = {}
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path is not None and resume and self._path.exists():
            self._read(self._path)

    def add(self, rung: int, trial: int, measured: Measured) -> None:
        """Take what was measured, durably."""
        self.measured[rung, trial] = measured
        if self._path is not None:
            write_text(self._path, json.dumps(self._document()))

    def _document(self) -> dict[str, Any]:
        rows = [
            {
                "rung": rung,
                "trial": trial,
                "value": one.value,
                "at": one.at,
                "curve": one.curve,
                "fault": one.fault,
            }
            for (rung, trial), one in self.measured.items()
        ]
        return {"kind": KIND, "fingerprint": self._fingerprint.parts, "measured": rows}

    def _read(self, path: Path) -> None:
        remedy = "remove it to start over"
        with understood(UsageError, path, remedy):
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["kind"] != KIND:
                raise UsageError(f"{path}: is no checkpoint of a search; choose another place, or {remedy}")
            if differing := self._fingerprint.difference(document["fingerprint"]):
                raise UsageError(
                    f"{path}: the checkpoint is of another search ({differing}); give the same data, space and options "
                    f"again, or {remedy}"
                )
            for row in document["measured"]:
                place = (int(row.pop("rung")), int(row.pop("trial")))
                curve = tuple((int(at), float(value)) for at, value in row.pop("curve"))
                value = row.pop("value")
                one = typed(Measured, {**row, "curve": (), "value": value})
                if one.at < 0:
                    raise ValueError(f"a budget of {one.at}")
                self.measured[place] = Measured(one.value, one.at, curve, one.fault)

"""Checkpoints: the model text every few trees, checked and found again after a crash of everything."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalable.data.fingerprint import Fingerprint
from scalable.errors import ModelError, UsageError
from scalable.models.store import read_model, save_model
from scalable.storage.documents import understood

KIND = "boosting-checkpoint"


@dataclass(frozen=True, slots=True)
class Saved:
    """Training up to an iteration.

    Attributes
    ----------
    iteration : int
        Iterations done.
    text : str
        The model so far.
    history : list
        Evaluation results per iteration, as callbacks saw them.
    """

    iteration: int = 0
    text: str = ""
    history: list[list[tuple[str, str, float, bool]]] = field(default_factory=list)


def deciding(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that must be the same for a run to be resumed.

    The number of iterations is left out, so that a finished run can be continued.
    """
    return {key: value for key, value in params.items() if key not in ("num_iterations", "verbosity")}


def write(directory: str, saved: Saved, fingerprint: Fingerprint) -> None:
    """Write one checkpoint atomically and keep the one before it as well."""
    place = Path(directory)
    meta = {"iteration": saved.iteration, "history": saved.history, "fingerprint": fingerprint.parts}
    save_model(place / f"trees-{saved.iteration:06d}", KIND, meta, texts={"booster.txt": saved.text})
    for old in sorted(place.glob("trees-*"))[:-2]:
        shutil.rmtree(old, ignore_errors=True)


def newest(directory: str, fingerprint: Fingerprint) -> Saved:
    """Return the newest undamaged checkpoint, or an empty one.

    Raises
    ------
    UsageError
        When the checkpoints belong to other data or parameters.
    """
    for place in sorted(Path(directory).glob("trees-*"), reverse=True):
        with contextlib.suppress(ModelError):
            stored = read_model(place)
            if differing := fingerprint.difference(stored.meta.get("fingerprint")):
                raise UsageError(
                    f"{directory}: its checkpoints belong to another training ({differing}); give the same data and "
                    "parameters again, or remove it or name another"
                )
            with understood(ModelError, place, "an older one is taken"):
                history = [
                    [(str(a), str(b), float(c), bool(d)) for a, b, c, d in step]
                    for step in stored.meta["history"]
                ]
                return Saved(int(stored.meta["iteration"]), stored.texts["booster.txt"], history)
    return Saved()

"""Checkpoints: the model text every few trees, checked and found again after a crash of everything."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalable.boosting.training.booster_text import check_text
from scalable.data.fingerprint import Fingerprint
from scalable.errors import ModelError, UsageError
from scalable.models.checkpoint import TREES
from scalable.models.store import DOCUMENT, read_model, save_model
from scalable.storage.documents import understood
from scalable.storage.places import place, remove_tree

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
    kept = place(directory)
    meta = {"iteration": saved.iteration, "history": saved.history, "fingerprint": fingerprint.parts}
    save_model(kept / f"trees-{saved.iteration:06d}", KIND, meta, texts={"booster.txt": saved.text})
    for old in [each for each in _written(kept) if (each / DOCUMENT).is_file()][:-2]:
        remove_tree(old)


def _written(directory: Path) -> list[Path]:
    """Return the checkpoints of a directory, which may hold what others call trees, too, by rising iteration."""
    return sorted(found for found in directory.glob("trees-*") if TREES.fullmatch(found.name))


def newest(directory: str, fingerprint: Fingerprint) -> Saved:
    """Return the newest undamaged checkpoint, or an empty one.

    Raises
    ------
    UsageError
        When the checkpoints belong to other data or parameters.
    """
    for saved in reversed(_written(place(directory))):
        with contextlib.suppress(ModelError):
            stored = read_model(saved)
            if differing := fingerprint.difference(stored.meta.get("fingerprint")):
                raise UsageError(
                    f"{directory}: its checkpoints belong to another training ({differing}); give the same data and "
                    "parameters again, or remove it or name another"
                )
            with understood(ModelError, saved, "an older one is taken"):
                history = [
                    [(str(a), str(b), float(c), bool(d)) for a, b, c, d in step]
                    for step in stored.meta["history"]
                ]
                text = stored.texts["booster.txt"]
                check_text(text)
                return Saved(int(stored.meta["iteration"]), text, history)
    return Saved()

"""Checkpoints of a training: what a killed run has finished, so that a resumed one ends with the same bits."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.fingerprint import Fingerprint
from scalable.data.source import Source
from scalable.errors import ModelError, UsageError
from scalable.features.encoder import Encoder
from scalable.models.store import ARRAYS, DOCUMENT, SEAL, read_model, save_model
from scalable.storage.documents import SHAPELESS, understood
from scalable.storage.places import place, remove_tree
from scalable.storage.replace import foreign_name

KIND = "linear checkpoint"
TREES = re.compile(r"trees-\d{6,}")  # what boosting calls a checkpoint, of which a directory may hold several
_INDIFFERENT = {"client", "n_workers", "n_jobs", "cache", "checkpoint", "resume", "verbose"}


class Checkpoint:
    """Where a training leaves its state after every round.

    Parameters
    ----------
    path : str, path or None
        Directory to write; None keeps no checkpoints.
    fingerprint : callable
        Returns the fingerprint of everything the result depends on; a checkpoint of another training is refused.
        Not asked without a path.
    resume : bool
        Whether to continue from what is there.

    Raises
    ------
    UsageError
        When the directory holds something else, which would be replaced, and removed at the end.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, fingerprint: Callable[[], Fingerprint], resume: bool
    ) -> None:
        self.path = None if path is None else place(path)
        if self.path is not None:
            refuse_others(self.path, trees=False)
        self._fingerprint = fingerprint() if path is not None else Fingerprint({})
        self.resume = resume

    def read(self, stage: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Return what was written at a stage of this training, or None to start afresh.

        Raises
        ------
        UsageError
            When the checkpoint is of another training, or damaged.
        """
        if self.path is None or not self.resume or not self.path.exists():
            return None
        try:
            stored = read_model(self.path)
        except ModelError as error:
            raise UsageError(
                f"the checkpoint cannot be resumed: {error}; remove {self.path} to start over"
            ) from error
        differing = (
            self._fingerprint.difference(stored.meta.get("fingerprint"))
            if stored.kind == KIND
            else stored.kind
        )
        if differing:
            raise UsageError(
                f"{self.path}: the checkpoint is of another training ({differing}); give the same data and options "
                "again, or remove it to start over"
            )
        if stored.meta.get("stage") != stage:
            return None
        with understood(UsageError, self.path, "remove it to start over"):
            return dict(stored.meta.get("state") or {}), stored.arrays

    def stage(self) -> str | None:
        """Return the stage that was written last, or None."""
        if self.path is None or not self.resume or not self.path.exists():
            return None
        return str(read_model(self.path).meta.get("stage"))

    def write(self, stage: str, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Replace the checkpoint, atomically."""
        if self.path is not None:
            meta = {"fingerprint": self._fingerprint.parts, "stage": stage, "state": dict(state)}
            save_model(self.path, KIND, meta, arrays)

    def remove(self) -> None:
        """Delete the checkpoint of a finished training."""
        if self.path is not None:
            remove_checkpoint(self.path)


def refuse_others(path: Path, *, trees: bool = True) -> None:
    """Raise a UsageError where a place holds something else than checkpoints, which would be replaced or removed."""
    if path.exists() and not _is_ours(path, trees=trees):
        raise UsageError(
            f"{path}: holds something else than a checkpoint; give the name of a directory that is not there"
        )


def remove_checkpoint(path: Path) -> None:
    """Delete the checkpoints of a finished training, or of one that begins anew; anything else stays."""
    if path.exists() and _is_ours(path):
        remove_tree(path)


def _is_ours(path: Path, *, trees: bool = True) -> bool:
    """Return whether a place holds nothing, or what `Checkpoint.write` wrote, damaged or not, or boosting did."""
    if not path.is_dir():
        return False
    if (path / DOCUMENT).is_file():
        with suppress(*SHAPELESS):
            if json.loads((path / DOCUMENT).read_bytes())["kind"] != KIND:
                return False
        return foreign_name(path, (DOCUMENT, ARRAYS, SEAL)) is None
    names = {each.name for each in path.iterdir()} if trees else set()
    return foreign_name(path, {name for name in names if TREES.fullmatch(name)}) is None


def checkpoint_of(estimator: Any, source: Source, encoder: Encoder, **parts: Any) -> Checkpoint:
    """Return where an estimator's ``checkpoint`` and ``resume`` say, for a fit of `source`.

    Parameters
    ----------
    estimator : estimator
        Its parameters must be the same to resume, but for those that cannot change the result.
    source : Source
        The rows as they were given.
    encoder : Encoder
        As it was learned.
    **parts
        What else must be the same to resume.
    """
    params = estimator.get_params(deep=False)
    deciding = {name: value for name, value in params.items() if name not in _INDIFFERENT}

    def fingerprint() -> Fingerprint:
        return source.fingerprint().joined(
            params=deciding, encoder=encoder.state().digest, numpy=np.__version__, **parts
        )

    return Checkpoint(params.get("checkpoint"), fingerprint, bool(params.get("resume")))


def resumed_part(estimator: Any, name: str) -> Any:
    """Return a part of the fingerprint of what an estimator is to resume; None where there is none."""
    path = None if estimator.checkpoint is None or not estimator.resume else place(estimator.checkpoint)
    with suppress(ModelError, KeyError, TypeError):  # told when it is resumed
        return None if path is None or not path.exists() else read_model(path).meta["fingerprint"][name]
    return None


def forget_checkpoint(estimator: Any) -> None:
    """Remove what an estimator has written in a training that begins anew."""
    Checkpoint(estimator.checkpoint, lambda: Fingerprint({}), False).remove()

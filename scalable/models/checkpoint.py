"""Checkpoints of a training: what a killed run has finished, so that a resumed one ends with the same bits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import ModelError, UsageError
from scalable.models.store import read_model, save_model

KIND = "linear checkpoint"


class Checkpoint:
    """Where a training leaves its state after every round.

    Parameters
    ----------
    path : str, path or None
        Directory to write; None keeps no checkpoints.
    identity : str
        Digest of everything the result depends on; a checkpoint of another training is refused.
    resume : bool
        Whether to continue from what is there.
    """

    def __init__(self, path: str | os.PathLike[str] | None, identity: str, resume: bool) -> None:
        self.path = None if path is None else Path(path)
        self.identity = identity
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
        if stored.kind != KIND or stored.meta.get("identity") != self.identity:
            raise UsageError(
                f"{self.path}: the checkpoint is of another training (data or options differ); "
                "give those again, or remove it to start over"
            )
        return (stored.meta["state"], stored.arrays) if stored.meta["stage"] == stage else None

    def stage(self) -> str | None:
        """Return the stage that was written last, or None."""
        if self.path is None or not self.resume or not self.path.exists():
            return None
        return str(read_model(self.path).meta.get("stage"))

    def write(self, stage: str, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Replace the checkpoint, atomically."""
        if self.path is not None:
            meta = {"identity": self.identity, "stage": stage, "state": dict(state)}
            save_model(self.path, KIND, meta, arrays)

    def remove(self) -> None:
        """Delete the checkpoint of a finished training."""
        if self.path is not None and self.path.exists():
            shutil.rmtree(self.path, ignore_errors=True)


def identity_of(params: Mapping[str, Any], encoder: str, rows: int, shards: Any) -> str:
    """Return a digest of what a training's result depends on.

    Parameters
    ----------
    params : mapping
        Parameters of the estimator; those that cannot change the result are left out here.
    encoder : str
        Digest of the learned encoder, which carries the data's profile.
    rows : int
        Training rows.
    shards : sequence of Shard
        The plan.
    """
    kept = {
        k: v
        for k, v in params.items()
        if k not in {"client", "n_workers", "n_jobs", "cache", "checkpoint", "resume", "verbose"}
    }
    plan = [[s.file, s.row_start, s.row_stop] for s in shards]
    text = json.dumps([kept, encoder, rows, plan, np.__version__], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()

"""The results document: one JSON object a run, complete enough to be quoted and repeated.

``format`` (1), ``kind`` ("quickstart", "train", "evaluate", "latency", "versus", ...), ``created`` (UTC,
ISO 8601), ``machine``, ``versions``, ``git_commit``, ``seed``, ``command`` and ``sections``, whose shapes
are those of :mod:`scalable.report.sections`.
"""

from __future__ import annotations

import itertools
import math
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scalable.report import environment

FORMAT = 1
REQUIRED: dict[str, type] = {"kind": str, "created": str, "machine": dict, "versions": dict, "sections": dict}


def new_results(
    kind: str, sections: Mapping[str, Any], seed: int | None = None, command: str | None = None
) -> dict[str, Any]:
    """Return a results document about work done here and now.

    Parameters
    ----------
    kind : str
        What ran, e.g. "quickstart".
    sections : mapping
        Sections by name; dataclasses must have become dicts, NumPy values may stay.
    seed : int, optional
        The seed that repeats the run.
    command : str, optional
        The exact command that repeats the run; by default, how this process was started.
    """
    if command is None:
        command = shlex.join([*_program(Path(sys.argv[0])), *sys.argv[1:]])
    document = {
        "format": FORMAT,
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": environment.machine(),
        "versions": environment.versions(),
        "git_commit": environment.git_commit(),
        "seed": seed,
        "command": command,
        "sections": dict(sections),
    }
    found: dict[str, Any] = plain(document)
    return found


def _program(started: Path) -> list[str]:
    """Return how a program is started that is known by its first argument only."""
    parents = itertools.takewhile(lambda folder: (folder / "__init__.py").is_file(), started.parents)
    names = [folder.name for folder in [*parents][::-1]]
    if not names:
        return [started.name]
    if started.name != "__main__.py":
        names.append(started.stem)
    return ["python", "-m", ".".join(names)]


def plain(value: Any) -> Any:
    """Return `value` as JSON's own types; NaN and infinities, which JSON lacks, become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value

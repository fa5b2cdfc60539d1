"""JSON and arrays in files written whole or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from scalable.storage.replace import write_bytes, write_text


def write_json(path: Path, value: Any) -> None:
    """Write JSON a person can read."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_arrays(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write named arrays as npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stub takes **kwds for allow_pickle
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read what `write_arrays` wrote; never unpickles."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}

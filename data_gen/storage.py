"""JSON, and what is known of a dataset's truth, in files written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from scalable.storage.arrays import read_arrays, write_arrays
from scalable.storage.replace import write_text

_KIND = "truth of rows 1"


def write_json(path: Path, value: Any) -> None:
    """Write JSON a person can read."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_truth(path: Path, state: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write the state of a truth's scores."""
    write_arrays(path, _KIND, state)


def read_truth(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read what `write_truth` wrote; raises OSError, or ValueError where it is damaged."""
    return read_arrays(path, _KIND).arrays

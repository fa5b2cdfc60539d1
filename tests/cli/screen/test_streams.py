"""Streams that are closed, and disks that are full."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.cli.screen.failure import explain
from scalable.storage.replace import replacing


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_failure(tmp_path: Path, closed: str) -> None:
    """As of jobs that a daemon starts; a file that is opened next had their number, and what was printed."""
    pq.write_table(pa.table({"a": [1.0, 2.0], "y": [0, 1]}), tmp_path / "rows.parquet")
    line = f"'{sys.executable}' -m scalable describe rows.parquet --json rows.json {closed}"
    done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert json.loads((tmp_path / "rows.json").read_text())


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """The system does not say of a write where it failed: it was "a file", of standard output too."""
    full = errno.ENOSPC, "No space left on device"
    with pytest.raises(OSError, match=r"rows\.json") as told, replacing(tmp_path / "rows.json"):
        raise OSError(*full)
    assert explain(told.value)[1].startswith(f"{tmp_path}/rows.json: the disk is full")
    assert explain(OSError(*full))[1].startswith("standard output, or a file: the disk is full")

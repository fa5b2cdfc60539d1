"""Command lines in a fresh process: to start one and import what a command needs takes longer than the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

CODE = f"""
import json, sys
sys.path[:] = [{str(ROOT)!r}, *(part for part in sys.path if part)]  # no folder of the caller, as when installed
from scalable.cli import main
lines = json.loads(bytes.fromhex(sys.argv[1]))
for words in lines:
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def in_one_process(
    lines: Sequence[Sequence[object]], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[Any]:
    """Run command lines one after the other in one process, until one fails; its output is in bytes."""
    words = json.dumps([[str(word) for word in line] for line in lines]).encode().hex()  # whatever the locale
    return subprocess.run(
        [sys.executable, "-c", CODE, words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        timeout=200,
        check=False,
    )

"""tpchgen-cli: TPC-H's ``lineitem``, 16 columns."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from bench.peers.contender import Absent, Generator

ROWS = 6_001_215  # of lineitem at scale factor 1


def _program() -> str | None:
    beside = Path(sys.executable).with_name("tpchgen-cli")
    return str(beside) if beside.is_file() else shutil.which("tpchgen-cli")


class Tpchgen(Generator):
    """Its command line, uncompressed as ours."""

    packages: ClassVar[tuple[str, ...]] = ("tpchgen-cli",)
    note = "the nearest scale factor; 16 columns"

    @classmethod
    def check(cls) -> None:
        """Look for the program."""
        if _program() is None:
            raise Absent("no program tpchgen-cli; pip install tpchgen-cli")

    def write(self, rows: int, out: Path, threads: int) -> None:
        """Run the program."""
        options = {
            "--scale-factor": f"{rows / ROWS:.6f}",
            "--tables": "lineitem",
            "--compression": "UNCOMPRESSED",
            "--num-threads": str(threads),
            "--output-dir": str(out),
        }
        flat = [word for pair in options.items() for word in pair]
        done = subprocess.run(
            [str(_program()), "parquet", *flat], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"tpchgen-cli ended with {done.returncode}: {done.stderr.strip()[-500:]}")

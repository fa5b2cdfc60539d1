"""What a stranger's first minute costs: imports, help, and a first fit with no kernel compiled and with all."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from .median import named

try:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    missing = ""
except ImportError as error:
    missing = str(error)

ROWS = 100_000
COMMANDS = {
    "import": ["-c", "import scalable"],
    "help": ["-m", "scalable", "--help"],
    "help of train": ["-m", "scalable", "train", "--help"],
    "help of a learner": ["-m", "scalable", "train", "lightgbm", "--help"],
}


def setup(*params: object) -> None:
    """Skip what an environment lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _processor_seconds(arguments: list[str], folder: Path) -> float:
    """Run Python with a kernel cache of its own and return its user and system seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "SCALABLE_CACHE_DIR": str(folder / "cache")},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


class Start:
    """Processor time of a command that does nothing yet."""

    params = (list(COMMANDS),)
    param_names = ("command",)
    unit = "s"

    @named("Processor time of imports and help")
    def track_start(self, command: str) -> float:
        """Return the least of five runs."""
        with tempfile.TemporaryDirectory() as folder:
            return min(_processor_seconds(COMMANDS[command], Path(folder)) for _ in range(5))

    track_start.unit = "s"  # type: ignore[attr-defined]


class Train:
    """Processor time of ``scalable train logistic`` on 100,000 rows."""

    params = (["cold", "warm"],)
    param_names = ("kernels",)
    timeout = 600

    def setup(self, kernels: str) -> None:
        """Write the rows; compile where kernels are to be warm."""
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        rng = np.random.default_rng(0)
        columns = {f"x{k}": rng.normal(size=ROWS).astype(np.float32) for k in range(28)}
        columns["y"] = (rng.random(ROWS) < 0.4).astype(np.int8)
        pq.write_table(pa.table(columns), self.place / "rows.parquet")
        if kernels == "warm":
            self._train("first")

    def teardown(self, kernels: str) -> None:
        """Remove rows, models and kernels."""
        self.folder.cleanup()

    def _train(self, model: str) -> float:
        words = ["train", "logistic", "rows.parquet", "--target", "y", "--model", model, "-q"]
        return _processor_seconds(["-m", "scalable", *words], self.place)

    @named("Processor time of a first fit of 100,000 rows")
    def track_train(self, kernels: str) -> float:
        """Return the processor seconds of one run."""
        return self._train("second")

    track_train.unit = "s"  # type: ignore[attr-defined]

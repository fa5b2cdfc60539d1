"""scikit-learn's ``make_classification``, written by pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.peers.contender import Generator


class MakeClassification(Generator):
    """28 columns, all rows in memory, then one uncompressed file of float32."""

    modules: ClassVar[tuple[str, ...]] = ("sklearn",)
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn", "pyarrow")
    one_thread = True
    note = "all rows in memory at once"

    def write(self, rows: int, out: Path, threads: int) -> None:
        """Make, write."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        from sklearn.datasets import make_classification

        x, y = make_classification(rows, 28, n_informative=14, random_state=0)
        columns = {f"x{j}": x[:, j].astype(np.float32) for j in range(x.shape[1])}
        table = pa.table({**columns, "label": y.astype(np.int8)})
        pq.write_table(table, out / "rows.parquet", compression="none", use_dictionary=["label"])

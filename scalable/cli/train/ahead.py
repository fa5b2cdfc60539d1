"""A second process that compiles what a first fit needs later, while the first one compiles what it needs now.

The fit begins with the readers' kernels, a third of the work; the other process begins with the learner's. Of two
processes that need one kernel, one compiles it and the other waits (``kernels/jit.py``), so nothing is compiled twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

LEAST_IDLE = 0.7  # processors
ROWS = 6_000  # enough to be treated as more rows are
_HOME = str(
    Path(__file__).resolve().parents[3]
)  # found where it is, whatever is called like it in the working folder
_START = """
import gc, sys
home, job, *words = sys.argv[1:]
home in sys.path or sys.path.insert(0, home)
gc.disable()
from scalable.deferred import defer, leave_lightgbm_alone
defer(), leave_lightgbm_alone()
from scalable.cli.train import ahead
getattr(ahead, job)(*words)
"""


@contextmanager
def compiled_beside(job: Callable[..., None], *words: str) -> Iterator[bool]:
    """Compile the kernels of a job in a process of its own while the body runs, if none is there yet.

    Not where no processor is idle: the body would only be slower. What that process finds wrong with the data is not
    told: the body will find it, too.

    Parameters
    ----------
    job : function
        `fit_few` or `fit_generated`.
    *words : str
        Its arguments.

    Yields
    ------
    bool
        Whether there is such a process.
    """
    from scalable.kernels.encode.columns import encode_columns
    from scalable.kernels.jit import is_compiled
    from scalable.report.others import idle_processors

    if is_compiled(encode_columns) or idle_processors() < LEAST_IDLE:
        yield False
        return
    command = [sys.executable, "-P", "-W", "ignore", "-c", _START, _HOME, job.__name__, *words]
    quiet: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    with ExitStack() as stack:
        # Its temporary files are here, as it may be killed before it can remove them.
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="scalable-ahead-"))
        child = stack.enter_context(subprocess.Popen(command, env={**os.environ, "TMPDIR": place}, **quiet))
        stack.callback(child.kill)  # before it is waited for: nobody needs what it has not done by then
        yield True


def fit_generated(dataset: str, target: str, engine: str) -> None:
    """Fit a forest to rows of a generated dataset's columns, and score them; beside LightGBM a logistic model, too.

    The quickstart's own process compiles what generates, reads and fits the logistic model in less time than the
    kernels of trees grown here take in this one; LightGBM's trees need few of them.

    The values are drawn anyhow: the generator's kernels are what the other process begins with. The quickstart's
    trees grow in two processes of one thread, step by step, as those do whose nodes draw their features: the kernels
    of one process with several threads, four seconds of compiling, are not needed.
    """
    import numpy as np

    from data_gen.columns import CATEGORY
    from data_gen.datasets import recipe
    from data_gen.recipe import empty_frame
    from data_gen.writing import arrow
    from scalable.boosting import LGBMClassifier

    columns = recipe(dataset, 0, {}).columns
    frame = empty_frame(columns, ROWS)
    rng = np.random.default_rng(0)
    for column in columns:
        data, valid = frame[column.name]
        if column.type == CATEGORY:
            data[:] = rng.integers(0, len(column.levels), ROWS)
        elif data.dtype.itemsize == 1:
            data[:] = rng.integers(0, 2 if column.type == "bool" else 100, ROWS)
        else:
            data[:] = rng.integers(0, ROWS, ROWS) if column.unit == "id" else rng.exponential(1000.0, ROWS)
        if valid is not None:
            valid[:] = rng.random(ROWS) < 0.7
    table = arrow.table(columns, frame)
    by_steps = {"feature_fraction_bynode": 0.9, "num_threads": 1}
    _fit(table, target, LGBMClassifier(n_estimators=2, num_leaves=7, verbose=-1, engine=engine, **by_steps))
    if engine == "lightgbm":
        _fit(table, target)


def fit_few(data: str, target: str, *features: str) -> None:
    """Fit a logistic model to some rows as a table in memory, and score it: none of the readers' kernels is needed.

    The rows are read by pyarrow, unchecked: what a forged file does to this process, nobody notices.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from scalable.data.files.find import find_files

    with pq.ParquetFile(find_files(data)[0]) as file:
        names = list(features) or [name for name in file.schema_arrow.names if name != target]
        _fit(pa.Table.from_batches([next(file.iter_batches(ROWS, columns=names))]), target)


def _fit(table: Any, target: str, learner: Any = None) -> None:
    import numpy as np
    import pyarrow as pa

    from scalable.data.table import TableSource
    from scalable.execution.threads import Threads
    from scalable.linear import LogisticRegression
    from scalable.models.forest import ForestPredictor
    from scalable.models.predictors import load_model
    from scalable.scoring.evaluate import evaluate_model

    label = pa.array(np.arange(len(table)) % 2, pa.int8())  # two classes, whatever the rows say
    features = [name for name in table.column_names if name != target]
    source = TableSource(table.select(features).append_column(target, label), target)
    with tempfile.TemporaryDirectory() as place:
        (learner or LogisticRegression()).fit(source).save(Path(place) / "model")
        model = load_model(Path(place) / "model")
        evaluate_model(model, source, Threads(1))
        if isinstance(model, ForestPredictor):
            model.forest.predict_one(np.zeros(model.forest.n_features))

"""Small jobs that between them use the kernels of most work; each in a process of its own, side by side.

Numba compiles under one lock a process, so threads would wait for each other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from scalable import progress
from scalable.errors import ScalableError

ROWS = 20_000
# This package is found where it is, whatever is called like it in the working folder.
_HOME = str(Path(__file__).resolve().parents[3])
_START = """
import sys
from pathlib import Path
home, name, place = sys.argv[1:]
home in sys.path or sys.path.insert(0, home)
from scalable.deferred import defer, leave_lightgbm_alone
defer(), leave_lightgbm_alone()
from scalable.cli.serve.warm_jobs import JOBS
JOBS[name](Path(place))
"""
JOBS: dict[str, Callable[[Path], Any]] = {}
# They compile all of it.
QUICKSTART = ("rows_of_quickstart", "trees_of_quickstart")


def job(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Enter a job, which is given a folder of its own."""
    JOBS[function.__name__] = function
    return function


def _data(place: Path, name: str, target: str, **knobs: Any) -> Any:
    import data_gen
    from scalable import ParquetSource
    from scalable.data.readers.pages import CODED

    CODED.patience = 0  # the decoder is wanted here, however few the rows
    data_gen.generate(name, rows=ROWS, out=place / name, **knobs)
    return ParquetSource(place / name, target=target)


def _score(model: Any, place: Path, source: Any) -> None:
    from scalable.execution.threads import Threads
    from scalable.models.predictors import load_model
    from scalable.scoring.evaluate import evaluate_model

    model.save(place / "model")
    evaluate_model(load_model(place / "model"), source, Threads(1))


@job
def rows_of_quickstart(place: Path) -> None:
    """Generate, fit a logistic model, score it and the truth, as the quickstart does."""
    from scalable.cli.bench import journey

    # Payments of several days: the hour is then a feature.
    train, held_out = _data(place, journey.DATASET, journey.TARGET, rows_per_day=ROWS // 5).split(
        every=journey.HELD_OUT
    )
    journey.train_logistic(train, held_out, place / "model", 0, [])
    journey.best_possible(held_out, place / journey.DATASET, [])


@job
def trees_of_quickstart(place: Path) -> None:
    """Grow trees as the quickstart's two workers do, and score them."""
    from scalable.cli.bench import journey
    from scalable.cli.train.ahead import fit_generated

    fit_generated(journey.DATASET, journey.TARGET, "native")


@job
def newton(place: Path) -> None:
    """Fit plain numbers exactly, a logistic and a least squares model, and score the first."""
    from scalable.linear import LogisticRegression, Ridge

    source = _data(place, "physics", "signal")
    Ridge().fit(source)
    _score(LogisticRegression().fit(source), place, source)


@job
def descent(place: Path) -> None:
    """Descend over numbers and categories, and over numbers alone."""
    from scalable.linear import LogisticRegression

    for name, target in (("fraud", "is_fraud"), ("physics", "signal")):
        LogisticRegression(solver="sgd", max_iter=1).fit(_data(place, name, target))


@job
def trees(place: Path) -> None:
    """Grow a small forest by each engine, compile them, and score them."""
    from scalable.boosting import LGBMClassifier

    source = _data(place, "fraud", "is_fraud")
    for engine in ("lightgbm", "native"):
        model = LGBMClassifier(n_estimators=2, num_leaves=7, verbose=-1, engine=engine)
        _score(model.fit(source), place / engine, source)


FEATURES = """
[views.card]
source = "fraud"
entity = "card_id"
event_time = "time"
created_time = "time"
values = ["amount_ratio", "country"]
time_since_last = true
[[views.card.aggregates]]
column = "amount_ratio"
functions = ["count", "sum", "mean", "min", "max", "distinct"]
windows = ["1h", "7d"]
[views.last]
source = "fraud"
entity = "card_id"
event_time = "time"
values = ["amount_ratio"]
"""


@job
def features(place: Path) -> None:
    """Join features with time, and look some up where the store's package is installed."""
    from scalable.errors import UsageError
    from scalable.feature_store import OnlineStore, materialize, point_in_time_join

    _data(place, "fraud", "is_fraud")
    (place / "features.toml").write_text(FEATURES)
    point_in_time_join(place / "fraud", place / "features.toml", place / "out")
    with suppress(UsageError):
        materialize(place / "features.toml", place / "store")
        with OnlineStore(place / "features.toml", place / "store") as store:
            store.lookup({"card_id": 0})


def warm(workers: int | None, names: Iterable[str] | None = None) -> dict[str, float]:
    """Run jobs and return the seconds of each.

    Parameters
    ----------
    workers : int, optional
        Processes at once; by default all processors.
    names : iterable of str, optional
        Names of jobs; by default all.

    Raises
    ------
    ScalableError
        When a job fails; with the end of what it said.
    """
    names = list(JOBS if names is None else names)
    children: list[subprocess.Popen[str]] = []
    with progress.task("compile kernels", total=len(names), unit="jobs") as shown:

        def run(name: str) -> float:
            start = time.perf_counter()
            with tempfile.TemporaryDirectory(prefix="scalable-warm-") as place:
                command = [sys.executable, "-P", "-W", "ignore", "-c", _START, _HOME, name, place]
                child = subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
                )
                children.append(child)
                said = child.communicate()[1].strip()
            if child.returncode:
                last = said.splitlines()[-1] if said else f"exit code {child.returncode}"
                raise ScalableError(f"the kernels of {name!r} could not be compiled: {last}")
            shown.advance(1)
            return time.perf_counter() - start

        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
            tasks = {name: pool.submit(run, name) for name in names}
            try:
                return {name: task.result() for name, task in tasks.items()}
            except BaseException:  # one failed, or Ctrl-C: the others are not waited for
                pool.shutdown(wait=False, cancel_futures=True)
                for child in children:
                    child.kill()
                raise

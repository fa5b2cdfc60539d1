"""What watching costs: the monitor beside a scan and scoring, windows without drift, a registry of many versions.

    python -m bench.desk.costs --out docs/results/monitoring.json
    python -m bench.desk.costs --rows 1000000 --versions 1000
    python -m bench.desk.costs --rows 100000000 --place DIR --out FILE    # three copies of the rows in DIR

Times are of the second of two runs on all processors. The files are held in the page cache: a machine that takes what
was not read for seconds takes them from slow passes over many rows and leaves them to quick ones. The bill says of each
run what processors it took and what it read from the disk all the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import data_gen
from bench.held_files import in_memory, read_from_disk
from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.models.predictors import load_model
from scalable.monitor import learn_profile, monitor, save_profile
from scalable.registry import Registry
from scalable.registry.filters import chosen, parse_condition
from scalable.registry.index import INDEX
from scalable.report.document import new_results
from scalable.report.results import write_results
from scalable.scoring.predict_files import score

PERIODS = 1000
MOVING = ("time", "account_age_days")  # columns that follow the date by nature


class _Scan:
    """Reads and counts rows: the least that a pass does."""

    def init(self) -> int:
        """Return none."""
        return 0

    def step(self, state: int, block: Any) -> int:
        """Count a block."""
        return state + int(block.n_rows)

    def merge(self, left: int, right: int) -> int:
        """Add."""
        return left + right

    def finish(self, state: int) -> int:
        """Return the rows."""
        return state


class _Bill:
    """Second runs of jobs.

    Parameters
    ----------
    rows : int
        That each goes over.

    Attributes
    ----------
    lines : list of dict
        Of each job its name, seconds, processor nanoseconds a row, and MiB read from the disk.
    """

    def __init__(self, rows: int) -> None:
        self.rows, self.lines = rows, list[dict[str, Any]]()

    def second_of_two(self, what: str, work: Callable[[], Any]) -> float:
        """Return the seconds of a job's second run."""
        for _ in range(2):
            os.sync()  # what was written before is not written meanwhile
            start, used, read = time.perf_counter(), time.process_time(), read_from_disk()
            work()
            seconds, used = time.perf_counter() - start, time.process_time() - used
            read = read_from_disk() - read
        self.lines.append(
            {
                "what": what,
                "seconds": seconds,
                "processor_ns_a_row": 1e9 * used / self.rows,
                "disk_mib": read / 2**20,
            }
        )
        return seconds


def watching(home: Path, rows: int) -> dict[str, Any]:
    """Return rates of a scan, of scoring and of the monitor, and the alarms of windows without drift."""
    per_day = rows // PERIODS
    data = home / "rows"
    data_gen.generate("fraud", rows=rows, out=data, seed=5, rows_per_day=per_day)
    data_gen.generate("fraud", rows=400_000, out=home / "reference", seed=6, rows_per_day=per_day)
    names = [n for n in ParquetSource(data, target="is_fraud").feature_names if n not in MOVING]

    def source(place: Path, target: str | None = "is_fraud") -> ParquetSource:
        return ParquetSource(place, target=target, features=names)

    executor, model = Threads(), home / "model"
    LGBMClassifier(n_estimators=60, n_workers=1).fit(source(home / "reference").split(every=2)[0]).save(model)
    predictor = load_model(model)
    reference = source(home / "reference").split(every=2)[1]
    save_profile(model, learn_profile(predictor, reference, executor))
    unlabelled, bill = source(data, None), _Bill(rows)

    def predict() -> None:
        shutil.rmtree(home / "scored", ignore_errors=True)
        score(predictor, unlabelled, home / "scored", executor=executor)

    def scan(rows: ParquetSource, more: tuple[str, ...] = ()) -> None:
        run_reduction(executor, _Scan(), BlockReader(rows, columns=(*names, *more)))

    with in_memory(*data.glob("*.parquet")) as held:
        scanned = bill.second_of_two("scan", lambda: scan(unlabelled))
        scoring = bill.second_of_two("predict", predict)
        watched = bill.second_of_two(
            "monitor", lambda: monitor(model, unlabelled, time="time", executor=executor)
        )
        report = monitor(model, source(data), time="time", executor=executor)
    with_column = home / "with_scores"
    _add_scores(data, home / "scored", with_column)
    scored = source(with_column, None)
    with in_memory(*with_column.glob("*.parquet")) as held_too:
        scan_scored = bill.second_of_two("scan with scores", lambda: scan(scored, ("score", "time")))
        from_column = bill.second_of_two(
            "monitor, scores from a column",
            lambda: monitor(model, scored, time="time", prediction="score", executor=executor),
        )
    return {
        "rows": rows, "columns": len(names), "scan_seconds": scanned, "predict_seconds": scoring,
        "monitor_seconds": watched, "of_predict": scoring / watched, "scan_with_scores_seconds": scan_scored,
        "monitor_scores_from_column_seconds": from_column, "of_scan": scan_scored / from_column,
        "windows_without_drift": len(report.rows), "rows_of_a_window": per_day,
        "figures": len(report.findings), "false_alarms": len(report.alarms),
        "alarms": [f"{report.name(f.period)} {f.column} {f.statistic}" for f in report.alarms[:20]],
        "held_in_memory": held and held_too, "bill": bill.lines,
    }  # fmt: skip


def _add_scores(data: Path, scored: Path, out: Path) -> None:
    """Write rows with their scores as a column, a row group at a time."""
    out.mkdir()
    scores = (
        group
        for file in sorted(scored.glob("*.parquet"))
        for group in pq.ParquetFile(file).iter_batches(2**17, columns=["prediction"])
    )
    held = pa.table({"prediction": pa.array([], pa.float64())})
    for file in sorted(data.glob("*.parquet")):
        rows = pq.ParquetFile(file)
        schema = rows.schema_arrow.append(pa.field("score", pa.float64()))
        with pq.ParquetWriter(out / file.name, schema, compression="none") as writer:
            for batch in rows.iter_batches(2**17):
                while len(held) < len(batch):
                    held = pa.concat_tables([held, pa.Table.from_batches([next(scores)])])
                column = held.column(0).slice(0, len(batch)).combine_chunks()
                held = held.slice(len(batch))
                writer.write_table(pa.table([*batch.columns, column], schema=schema), row_group_size=2**17)


def listing(home: Path, versions: int) -> dict[str, Any]:
    """Return what listing and filtering many recorded versions takes: at first, then, and without the index."""
    model = home / "tiny"
    model.mkdir()
    (model / "model.json").write_text("{}")
    registry = Registry(home / "registry")
    start = time.perf_counter()
    for _ in range(versions):
        registry.record("many", model, metrics={"auc": 0.5, "log_loss": 0.3}, tags={"team": "risk"})
    recording = time.perf_counter() - start

    def listed() -> float:
        start = time.perf_counter()
        found = chosen(registry.versions("many")[0], [parse_condition("auc>.4")], ["team=risk"])
        assert len(found) == versions
        return 1e3 * (time.perf_counter() - start)

    first, times = listed(), [listed() for _ in range(7)]
    (registry.path / "many/versions" / INDEX).unlink()
    return {
        "versions": versions, "record_ms": 1e3 * recording / versions, "first_ms": first,
        "list_and_filter_ms": sorted(times)[3], "without_index_ms": listed(),
    }  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--place", type=Path, help="where rows are written, and removed again")
    parser.add_argument("--out", type=Path, help="results.json to write")
    given = parser.parse_args()
    if given.place is not None:
        given.place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="watching-", dir=given.place) as place:
        found = {
            "watching": watching(Path(place), given.rows),
            "registry": listing(Path(place), given.versions),
        }
    for name, facts in found.items():
        for key, value in facts.items():
            print(f"{name}: {key} {value}")
    if given.out is not None:
        write_results(given.out, new_results("monitoring", found, 5))


if __name__ == "__main__":
    main()

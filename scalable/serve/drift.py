"""The monitor in the server: rows that were answered are counted against their model's reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.types.logical import type_named
from scalable.errors import ModelError, ScalableError
from scalable.inference.request.cells import Value
from scalable.kernels.encode.request import ABSENT
from scalable.monitor.counts import CountReduction
from scalable.monitor.findings import find
from scalable.monitor.profile import Profile, read_profile
from scalable.monitor.prometheus import figures
from scalable.monitor.scores import Scorer, Scores
from scalable.monitor.thresholds import Thresholds
from scalable.serve.models import Models, Served

BUFFER = 512  # rows that are counted together: a conversion costs the same for one
WINDOW = 100_000  # rows of a verdict
REMEDY = "`scalable train` it again, or serve it without --monitor"


class _Answered(Scorer):
    """Predictions that were given already."""

    found: NDArray[Any]

    def score(self, block: RawBlock) -> Scores:
        """Return them."""
        found = self.found
        if found.ndim == 1:
            return Scores(found)
        chosen = found.argmax(axis=1)
        return Scores(found[np.arange(len(found)), chosen], chosen, found)


class _Watched:
    """One version of a model: its reference, and the counts of its rows."""

    def __init__(self, served: Served, place: Path, window: int) -> None:
        self.version, self.unseen, self.rows, self._window = served.version, 0, 0, window
        self.profile: Profile = read_profile(place, served.predictor, REMEDY)
        trained = served.predictor.arrow_types
        self._types = {name: type_named(kind) for name, kind in trained.items()}
        self._scorer = _Answered(served.predictor)
        self._reduction = CountReduction(self.profile.layout, self._scorer, trained=trained)
        self._waiting: list[tuple[Any, NDArray[Any]]] = []
        self._n = 0
        self._now = self._last = np.zeros(self.profile.layout.size, np.int64)

    def add(self, rows: Any, predictions: NDArray[Any]) -> None:
        """Take rows; they are counted when there are enough."""
        self._waiting.append((rows, predictions))
        self._n += len(predictions)
        if self._n >= BUFFER:
            self.count()

    def count(self) -> None:
        """Count what waits."""
        waiting, self._waiting, self._n = self._waiting, [], 0
        tables = [pair for pair in waiting if not isinstance(pair[0], list)]
        dicts = [pair for pair in waiting if isinstance(pair[0], list)]
        if dicts:
            tables.append(([row for rows, _ in dicts for row in rows], np.concatenate([p for _, p in dicts])))
        for rows, predictions in tables:
            self._count(rows, np.asarray(predictions, np.float64))
        if self._now[0] >= self._window:
            self._last, self._now = self._now, np.zeros_like(self._now)

    def window(self) -> NDArray[np.int64]:
        """Return the counts of the last whole window, of the present one while there is none."""
        self.count()
        return self._last if self._last[0] else self._now

    def _count(self, rows: Any, predictions: NDArray[np.float64]) -> None:
        """Count rows that were answered; one that cannot be counted costs no others."""
        try:
            self._add(rows, predictions)
            self.rows += len(predictions)
        except (ScalableError, pa.ArrowException, ValueError, TypeError, KeyError, OverflowError):
            half = len(predictions) // 2
            if not half or not isinstance(rows, list):
                self.unseen += len(predictions)  # answered, so its own way of reading them is the right one
                return
            self._count(rows[:half], predictions[:half])
            self._count(rows[half:], predictions[half:])

    def _add(self, rows: Any, predictions: NDArray[np.float64]) -> None:
        arrays = {name: self._array(name, kind, rows) for name, kind in self._types.items()}
        self._scorer.found = predictions
        added = self._reduction.step({}, RawBlock(arrays, 0, len(predictions)))
        self._now = self._now + added[0]

    def _array(self, name: str, kind: pa.DataType, rows: Any) -> pa.Array:
        if isinstance(rows, list):
            values = [row.get(name) for row in rows]
            if pa.types.is_temporal(kind):  # as requests say them, such as texts
                cell = Value(name, str(kind), "temporal").time()
                counts = map(cell, values)
                return pa.array([None if count == ABSENT else count for count in counts], kind)
            return _plain(pa.array(values, kind.value_type if pa.types.is_dictionary(kind) else kind))
        column = rows.column(name).combine_chunks()
        return _plain(column.chunk(0) if isinstance(column, pa.ChunkedArray) else column)


class DriftObserver:
    """Counts answered rows by model; see `scalable.serve.observe.Observer`.

    Parameters
    ----------
    models : Models
        Each with a reference profile.
    thresholds : Thresholds, optional
    workers : int
        Processes that share the rows, so that all their windows together are one of `WINDOW` rows.

    Raises
    ------
    ModelError
        A model has no profile.
    """

    def __init__(self, models: Models, thresholds: Thresholds | None = None, workers: int = 1) -> None:
        self._models, self._thresholds, self._window = models, thresholds or Thresholds(), WINDOW // workers
        self._watched = {served.name: _Watched(served, served.place, self._window) for served in models.all}
        self._without: dict[str, str] = {}  # versions that were loaded later and have no profile

    def observe(self, model: str, version: str, rows: Any, predictions: np.ndarray) -> None:
        """Take rows that were answered."""
        watched = self._watched[model]
        if watched.version != version:
            if self._without.get(model) == version:
                return
            served = self._models.get(model)
            if served.version != version:
                return  # answered by one that was replaced meanwhile
            try:
                watched = self._watched[model] = _Watched(served, served.place, self._window)
            except ModelError:
                self._without[model] = version
                return
        watched.add(rows, predictions)

    def counts(self) -> dict[str, Any]:
        """Return of each model its version, rows, rows that could not be counted, and the window's counts."""
        found = {name: (watched, watched.window().tolist()) for name, watched in self._watched.items()}
        return {name: [one.version, one.rows, one.unseen, window] for name, (one, window) in found.items()}

    def metrics(self, others: Sequence[Any] = ()) -> str:
        """Return counters of rows, and the figures of the last window, of all workers that serve the same versions."""
        observed, unseen, alarms, found = [], [], [], {}
        for name, watched in self._watched.items():
            counts, n_rows, n_unseen = watched.window(), watched.rows, watched.unseen
            for version, rows, lost, window in (other[name] for other in others if name in other):
                if version == watched.version:
                    counts, n_rows, n_unseen = counts + np.array(window), n_rows + rows, n_unseen + lost
            labels = f'{{model="{name}",version="{watched.version}"}}'
            observed.append(f"scalable_monitor_observed_total{labels} {n_rows}")
            unseen.append(f"scalable_monitor_unseen_total{labels} {n_unseen}")
            if counts[0]:
                found[name] = find(watched.profile, {0: counts}, self._thresholds)
                alarms.append(f"scalable_monitor_alarms{labels} {sum(each.alarm for each in found[name])}")
        lines = ["# TYPE scalable_monitor_observed_total counter", *observed]
        lines += ["# TYPE scalable_monitor_unseen_total counter", *unseen]
        lines += ["# TYPE scalable_monitor_alarms gauge", *alarms, *figures(found)]
        return "\n".join(lines) + "\n"


def _plain(array: pa.Array) -> pa.Array:
    """Return a column as readers give it: text as a dictionary."""
    kind = array.type
    return array.dictionary_encode() if pa.types.is_string(kind) or pa.types.is_large_string(kind) else array

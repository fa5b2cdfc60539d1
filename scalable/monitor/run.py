"""Watching a model: one pass over rows, held against the reference."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.types as pt

from scalable.data.columns import column_kind, require_column
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.models.predictors import load_model
from scalable.monitor.bins import other_kind
from scalable.monitor.counts import CountReduction, State
from scalable.monitor.findings import Finding, Findings, find
from scalable.monitor.labels import Labelled, read_labels
from scalable.monitor.periods import DAY, origin, time_unit
from scalable.monitor.profile import Profile, learn_profile, read_profile
from scalable.monitor.scores import N, Scorer
from scalable.monitor.thresholds import Thresholds


@dataclass(frozen=True, repr=False)
class Report:
    """What a monitor found.

    Attributes
    ----------
    findings : Findings
        Every figure of every period, in order of time.
    rows : dict of int to int
        Rows of each period.
    every : int or None
        Nanoseconds of a period; None where all rows are one.
    profile : Profile
        The reference.
    periods : dict of int to array
        The counts themselves.
    unlabelled : bool
        Whether labels were given, and no row had one.
    time : str or None
        The column that divides the rows into periods.
    """

    findings: Findings
    rows: dict[int, int]
    every: int | None
    profile: Profile
    periods: State
    unlabelled: bool = False
    time: str | None = None

    def __repr__(self) -> str:
        seen = f"{sum(self.rows.values()):,} rows, {len(self.rows):,} periods"
        return f"<Report: {seen}, {len(self.findings):,} figures, {len(self.alarms):,} alarms>"

    @property
    def alarms(self) -> list[Finding]:
        """The figures that are alarms, in order of time."""
        return self.findings.alarms

    def to_json(self) -> dict[str, Any]:
        """Return the ``monitor`` section of a results document: ``rows``, ``alarms``, ``findings`` and ``notes``."""
        rows = [{"period": self.name(period), "rows": n} for period, n in self.rows.items()]
        found = [{**finding._asdict(), "period": self.name(finding.period)} for finding in self.findings]
        alarms = [row for row in found if row["alarm"]]
        return {"rows": rows, "alarms": alarms, "findings": found, "notes": self.notes()}

    def notes(self) -> list[str]:
        """Return what whoever reads the figures should know of the reference."""
        notes = ["no row has a label among those that were given"] if self.unlabelled else []
        if self.time in {bins.name for bins in self.profile.layout.columns}:
            notes.append(
                f"{self.time}: periods differ in it by nature, so its own figures are no alarms; train with --exclude "
                f"{self.time}, or the model meets values that it never saw"
            )
        if self.profile.layout.prediction is not None and self.profile.seen:
            notes.append(
                "the reference's predictions are of rows that the model learned from: performance is shown, without "
                "alarms; train with --valid, or give --reference held-out rows"
            )
        elif self.profile.layout.prediction is not None and not self.profile.labelled:
            notes.append("the reference has no labels: performance is shown, without alarms")
        return notes

    def name(self, period: int) -> str:
        """Return the beginning of a period, ISO 8601, or ``all``."""
        return period_name(period, self.every)


def period_name(period: int, every: int | None) -> str:
    """Return the beginning of a period, ISO 8601 UTC, or ``all`` where all rows are one."""
    if every is None:
        return "all"
    seconds = (period * every + origin(every)) // 10**9
    try:
        found = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"
    return (
        found.date().isoformat()
        if every % DAY == 0
        else found.isoformat(timespec="minutes").replace("+00:00", "")
    )


def monitor(
    model: str | os.PathLike[str],
    source: Source,
    *,
    reference: Source | None = None,
    time: str | None = None,
    every: int = DAY,
    labels: Source | None = None,
    key: str | None = None,
    prediction: str | None = None,
    thresholds: Thresholds | None = None,
    executor: Executor | None = None,
) -> Report:
    """Hold rows against a model's reference.

    Parameters
    ----------
    model : path
        With a profile, unless `reference` is given.
    source : Source
        Rows to look at; with a target, their labels.
    reference : Source, optional
        Rows to hold them against, rather than the profile in the model; with a target, labels too.
    time : str, optional
        Column of times that divides the rows into periods.
    every : int
        Nanoseconds of a period. Periods are counted from 1970 on, UTC; weeks begin on Mondays.
    labels : Source, optional
        Labels that came later: rows of `key` and of the target that it names.
    key : str, optional
        Column that finds a row's label.
    prediction : str, optional
        Column of predictions; by default the model is asked.
    thresholds : Thresholds, optional
    executor : Executor, optional

    Returns
    -------
    Report

    Raises
    ------
    UsageError, DataError, ModelError
        What is asked for contradicts itself, a column is missing or of another type, the model has no profile.
    """
    worker, predictor = executor or Threads(), load_model(model)
    if time is not None:
        require_column(source.full_schema, time, source.describe_place(), "time")
        unit = time_unit(time, source.field_type(time))
        if every < 1 or (every % unit and unit % every):
            raise UsageError(f"--every is not a whole number of {time!r}'s units")
    if reference is None:
        profile = read_profile(model, predictor)
    else:
        profile = learn_profile(
            predictor, reference, worker, prediction=prediction, max_rows=reference.n_rows
        )
    scorer = None if profile.layout.prediction is None else Scorer(predictor, prediction)
    known = _labels(predictor, source, labels, key)
    reduction = CountReduction(profile.layout, scorer, time, every, known, predictor.arrow_types)
    for name in reduction.needed:
        require_column(source.full_schema, name, source.describe_place(), "monitored")
    for bins in profile.layout.columns:
        kind = source.field_type(bins.name)
        if not pt.is_null(kind) and (column_kind(kind) == "text") != (bins.kind == "text"):
            raise other_kind(bins, kind, source.describe_place())
    if prediction is not None and column_kind(source.field_type(prediction)) == "text":
        raise DataError(
            f"{source.describe_place()}: column {prediction!r} is text, not predictions; give a column of numbers"
        )
    reader = BlockReader(source, columns=tuple(reduction.needed))
    periods: State = run_reduction(worker, reduction, reader, label="monitor")
    rows = {period: int(profile.layout.part(counts, "rows")[0]) for period, counts in periods.items()}
    findings = find(profile, periods, thresholds or Thresholds(), time)
    measured = known is not None and scorer is not None
    unlabelled = measured and not any(profile.layout.part(c, "sums")[N] for c in periods.values())
    return Report(findings, rows, None if time is None else every, profile, periods, unlabelled, time)


def _labels(predictor: Any, source: Source, labels: Source | None, key: str | None) -> Labelled | None:
    if (labels is None) != (key is None):
        raise UsageError(
            "labels that came later and the key that finds them go together: --labels FILE --key COL"
        )
    if predictor.task == "transform":
        return None
    if labels is not None and key is not None:
        return read_labels(predictor, labels, key, labels.roles.require_target())
    return None if source.target is None else Labelled(predictor, source.target)
